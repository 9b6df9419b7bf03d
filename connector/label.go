package connector

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// The labels that the store finds finished calls by.
const (
	phoneLabel  = "p"
	savedLabel  = "i"
	erasedLabel = "x"
)

// phoneLabelDigits is how many of a number's last digits are its label: they are the same in every format, with and without
// a country code or a trunk prefix. Whatever is found by them has to be compared with the number that is meant.
const phoneLabelDigits = 7

// PhoneLabel gives the label of a phone number in any format, "" if it has no digit.
func PhoneLabel(number string) string {
	digits := Digits(number)
	if digits == "" {
		return ""
	}
	return phoneLabel + digits[max(0, len(digits)-phoneLabelDigits):]
}

// Digits gives the digits of a number as people write it.
func Digits(number string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, number)
}

// Phones gives the numbers that the call's record and its events name, each as it stands there.
func (c *Call) Phones() []string {
	var all []string
	add := func(number string) {
		if number != "" && !slices.Contains(all, number) {
			all = append(all, number)
		}
	}
	for i := range c.Revisions {
		add(string(c.Revisions[i].Record.PhoneE164))
		add(string(c.Revisions[i].Record.Phone))
	}
	for _, events := range [][]Arrival{c.Events, c.Late} {
		for i := range events {
			add(events[i].Phone)
		}
	}
	return all
}

// Labels gives the labels that the call is found by.
func (c *Call) Labels() []string {
	var labels []string
	for _, number := range c.Phones() {
		if l := PhoneLabel(number); l != "" && !slices.Contains(labels, l) {
			labels = append(labels, l)
		}
	}
	if r := c.Record(); r.Attempt > 1 { // its group is named by the uuid, which is another name
		labels = append(labels, SavedLabel(r.CallID))
	}
	if c.Erased != nil {
		for _, hash := range c.Erased.Numbers {
			labels = append(labels, ErasedLabel(hash))
		}
	}
	return labels
}

// ErasedLabel gives the label of an erased call by the hash of its number.
func ErasedLabel(hash string) string { return erasedLabel + hash }

// maxSavedLabel bounds the values that a call is found by: an id is short.
const maxSavedLabel = 64

// SavedLabel gives the label of a value that a mapping's step has saved, such as the id of a log entry; "" if nothing is to
// be found by it.
func SavedLabel(value string) string {
	if len(value) < 2 || len(value) > maxSavedLabel {
		return ""
	}
	return savedLabel + value
}

// Saved gives the values that the mapping's steps have saved with the delivery, by name, as far as they are texts or numbers.
func (d *Delivery) Saved() map[string]string {
	if len(d.Progress) == 0 {
		return nil
	}
	var p struct {
		Saved map[string]any `json:"saved"`
	}
	decoder := json.NewDecoder(bytes.NewReader(d.Progress))
	decoder.UseNumber() // ids keep all their digits
	if decoder.Decode(&p) != nil {
		return nil
	}
	saved := map[string]string{}
	for name, value := range p.Saved {
		switch v := value.(type) {
		case string:
			if v != "" {
				saved[name] = v
			}
		case json.Number:
			saved[name] = v.String()
		}
	}
	return saved
}

// SavedLabels gives the labels that the call is found by for the sake of what was saved with the delivery.
func (d *Delivery) SavedLabels() []string {
	var labels []string
	for _, value := range d.Saved() {
		if l := SavedLabel(value); l != "" && !slices.Contains(labels, l) {
			labels = append(labels, l)
		}
	}
	slices.Sort(labels)
	return labels
}
