package bolt

import (
	"fmt"

	"wrapup/outbox"
)

const (
	// maxName bounds groups, IDs and names: they become parts of keys.
	maxName = 4096
	// maxDay is 9999-12-31, the last day that has a bucket name of the usual length.
	maxDay = outbox.Day(2932896)
)

// prepared is a Tx with all that could be done before it was queued. The Tx is not copied: its caller waits.
type prepared struct {
	outbox.Tx

	items [][]byte // packed bodies of Add
	entry []byte   // packed body of Entry
	rows  [][]byte // packed bodies of Put
}

// prepareTx validates and packs.
func (s *Store) prepareTx(tx outbox.Tx) (prepared, error) {
	p := prepared{Tx: tx}
	for _, check := range []func(*outbox.Tx) error{checkGroup, checkHistory, checkTasks} {
		if err := check(&tx); err != nil {
			return prepared{}, err
		}
	}
	if len(tx.Add) > 0 {
		p.items = make([][]byte, len(tx.Add))
		for i, it := range tx.Add {
			p.items[i] = s.codec.pack(it.Body, neverCompress) // soon gone, and compressed in the entry made of it
		}
	}
	if tx.Entry != nil {
		p.entry = s.codec.pack(tx.Entry.Body, compressEntries)
	}
	if len(tx.Put) > 0 {
		p.rows = make([][]byte, len(tx.Put))
		for i, row := range tx.Put {
			p.rows[i] = s.codec.pack(row.Body, compressRows)
		}
	}
	return p, nil
}

func checkGroup(tx *outbox.Tx) error {
	if len(tx.Add) == 0 && len(tx.Drop) == 0 && tx.Entry == nil {
		return nil
	}
	if err := checkName("group", tx.Group); err != nil {
		return err
	}
	added := make(map[string]bool, len(tx.Add))
	for _, it := range tx.Add {
		if err := checkName("item", it.ID); err != nil {
			return err
		}
		if err := checkBody("item", it.ID, it.Body); err != nil {
			return err
		}
		added[it.ID] = true
	}
	for _, id := range tx.Drop {
		if err := checkName("item to drop", id); err != nil {
			return err
		}
		if added[id] {
			return fmt.Errorf("%w: item %q is to be added and dropped at once", outbox.ErrInvalid, id)
		}
	}
	return nil
}

func checkHistory(tx *outbox.Tx) error {
	if e := tx.Entry; e != nil {
		if err := checkBody("entry", e.ID, e.Body); err != nil {
			return err
		}
		if err := checkName("entry", e.ID); err != nil {
			return err
		}
		switch {
		case e.Prev == 0 && !e.Ref.IsZero():
			return fmt.Errorf("%w: the entry %q is to be created, but has a ref", outbox.ErrInvalid, e.ID)
		case e.Prev == 0 && e.Day > maxDay:
			return fmt.Errorf("%w: the entry %q is of a day that is too far away", outbox.ErrInvalid, e.ID)
		case e.Prev > 0:
			if err := checkRef(e.Ref); err != nil {
				return fmt.Errorf("entry %q: %w", e.ID, err)
			}
		}
	}
	for _, row := range tx.Put {
		if err := checkName("row", row.Name); err != nil {
			return err
		}
		if err := checkBody("row", row.Name, row.Body); err != nil {
			return err
		}
		if err := checkTarget(tx, row.Ref); err != nil {
			return fmt.Errorf("row %q: %w", row.Name, err)
		}
	}
	return nil
}

func checkTasks(tx *outbox.Tx) error {
	for _, t := range tx.Enqueue {
		if err := checkName("queue", t.Queue); err != nil {
			return err
		}
		if err := checkTarget(tx, t.Ref); err != nil {
			return fmt.Errorf("task of the queue %q: %w", t.Queue, err)
		}
	}
	for _, labels := range [][]outbox.Label{tx.Label, tx.Unlabel} {
		for _, l := range labels {
			if err := checkLabel(tx, l); err != nil {
				return err
			}
		}
	}
	for _, d := range tx.Count {
		if err := checkName("counter", d.Name); err != nil {
			return err
		}
		if d.Day > maxDay {
			return fmt.Errorf("%w: the counter %q is of a day that is too far away", outbox.ErrInvalid, d.Name)
		}
	}
	return nil
}

// checkTarget checks a ref that may be zero if the Tx puts an entry.
func checkTarget(tx *outbox.Tx, ref outbox.Ref) error {
	if ref.IsZero() && tx.Entry != nil {
		return nil
	}
	return checkRef(ref)
}

func checkRef(ref outbox.Ref) error {
	if ref.Seq == 0 || ref.Day > maxDay {
		return fmt.Errorf("%w: the ref %s/%d is of no entry", outbox.ErrInvalid, ref.Day, ref.Seq)
	}
	return nil
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: the %s has no name", outbox.ErrInvalid, what)
	case len(name) > maxName:
		return fmt.Errorf("%w: the name of the %s has %d bytes, and %d are allowed", outbox.ErrInvalid, what, len(name), maxName)
	}
	return nil
}

func checkBody(what, name string, body []byte) error {
	if len(body) > maxBody {
		return fmt.Errorf("%w: the body of the %s %q has %d bytes, and %d are allowed",
			outbox.ErrInvalid, what, name, len(body), maxBody)
	}
	return nil
}
