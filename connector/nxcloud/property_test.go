package nxcloud

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"wrapup/connector"
)

// Any documented event gives the same, in whatever unit its time is rendered (as finely as the unit allows) and whether
// its numbers are numbers or strings.
func TestTimeUnitsProperty(t *testing.T) {
	lines := bytes.Split(bytes.TrimSpace(documented(t)), []byte("\n"))
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SampledFrom(lines).Draw(t, "line")
		micros := rapid.Int64Range(firstSecond*1e6, endSecond*1e6-1).Draw(t, "micros")
		unit := rapid.SampledFrom([]string{"s", "s.frac", "ms", "µs", "ns"}).Draw(t, "unit")
		var stamp string
		want := micros
		switch unit {
		case "s":
			stamp, want = strconv.FormatInt(micros/1e6, 10), micros/1e6*1e6
		case "s.frac":
			stamp = fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6)
		case "ms":
			stamp, want = strconv.FormatInt(micros/1e3, 10), micros/1e3*1e3
		case "µs":
			stamp = strconv.FormatInt(micros, 10)
		case "ns":
			stamp = strconv.FormatInt(micros*1e3+rapid.Int64Range(0, 999).Draw(t, "ns"), 10)
		}
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		fields["time"] = stamp
		if rapid.Bool().Draw(t, "numbers") {
			fields["time"] = json.Number(stamp)
		} else {
			fields["type"], fields["state"] = fmt.Sprint(fields["type"]), fmt.Sprint(fields["state"])
		}
		body, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		original, _ := ParseEvents(line)
		original[0].Time = connector.Time(want)
		events, errs := ParseEvents(body)
		if len(errs) > 0 || len(events) != 1 {
			t.Fatalf("%s: %v", body, errs)
		}
		if got, want := fmt.Sprintf("%+v", events[0]), fmt.Sprintf("%+v", original[0]); got != want {
			t.Fatalf("%s:\n got %s\nwant %s", body, got, want)
		}
	})
}

// Bodies made of pieces of events never make the parser panic, and always give either events or errors.
func TestNeverPanicsProperty(t *testing.T) {
	piece := rapid.SampledFrom([]string{"{", "}", "[", "]", ",", ":", "\n", " ", `"`, `\`, `\u`, "d800", "\xff", "null", "true",
		`"type"`, `"state"`, `"time"`, `"callid"`, `"uuid"`, `"info"`, "1", "2", "1558677782655356", `"abc"`, "1e30", "-", ".", event()})
	rapid.Check(t, func(t *rapid.T) {
		var body []byte
		for _, p := range rapid.SliceOfN(piece, 0, 60).Draw(t, "pieces") {
			body = append(body, p...)
		}
		check(t, body)
	})
}

func FuzzParseEvents(f *testing.F) {
	for _, line := range bytes.SplitAfter(documented(f), []byte("\n")) {
		f.Add(line)
	}
	for _, body := range []string{"", "{}", "[]", "null", `"abc"`, `{"type":3}`, `{"type":2,"uuid":"5c6`, "[" + event() + "," + event() + "]",
		event(`"x":{"y":[1,2,{"z":null}]}`), event(`"info":"` + "\xff" + `"`), event(`"time":1e30`), event(`"time":"1558677782.655356"`),
		event(`"uuid":"a\nb"`), event() + " xyz", "{\"a\":[\n" + event()} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { check(t, body) })
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// check holds for every body: something comes of it, events are as they should be and can be stored, errors can be shown.
func check(t fataler, body []byte) {
	t.Helper()
	events, errs := ParseEvents(body)
	if len(events)+len(errs) == 0 {
		t.Fatalf("%q gave nothing", body)
	}
	if len(events) > MaxEvents {
		t.Fatalf("%q gave %d events", body, len(events))
	}
	for i := range events {
		ev := &events[i]
		if !ev.Time.Known() || ev.Code == "" || ev.Kind == "" || ev.Queue == "" || ev.Code[0] == '2' && ev.UUID == "" {
			t.Fatalf("%q gave %+v", body, *ev)
		}
		if _, err := json.Marshal(ev); err != nil {
			t.Fatalf("%q gave what can't be stored: %v", body, err)
		}
	}
	for _, err := range errs {
		for _, r := range err.Error() {
			if isControl(r) {
				t.Fatalf("%q gave an error that can't be shown: %q", body, err)
			}
		}
	}
}
