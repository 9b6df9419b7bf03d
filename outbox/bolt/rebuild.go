package bolt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// What stands beside a store.
const (
	salvageSuffix = ".salvage"  // a new file that isn't finished
	damagedSuffix = ".damaged-" // and the time: a damaged file
	reportSuffix  = ".salvaged.txt"

	stamp = "2006-01-02T150405Z"
)

// SalvageReports gives the paths of the reports that lie beside a store, the oldest first.
func SalvageReports(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, filepath.Base(path)+damagedSuffix) && strings.HasSuffix(name, reportSuffix) {
			list = append(list, filepath.Join(filepath.Dir(path), name))
		}
	}
	return list, nil
}

// SetAside counts the damaged files that lie beside a store, and what they take, in bytes. Nothing ever deletes one: it may
// hold what could not be salvaged.
func SetAside(path string) (files int, bytes int64, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, filepath.Base(path)+damagedSuffix) || strings.HasSuffix(name, reportSuffix) {
			continue
		}
		if info, err := e.Info(); err == nil { // else it has just been moved away
			files, bytes = files+1, bytes+info.Size()
		}
	}
	return files, bytes, nil
}

// Salvage makes a new store of what can be read of a damaged one, and gives it the damaged one's name. The damaged file is
// kept beside it, under a name with the time, and so is a report. It fails with outbox.ErrLocked, ErrForeign and ErrNewer
// as Check does, and then nothing was changed. why is what is known to be wrong with it, should nothing be found now; of a
// file that nothing is wrong with it makes nothing, and the result is nil.
//
// A crash at any point leaves, under the store's name, the damaged file or the complete new one: the new one is made under
// another name, is synced, and then takes the old one's name in one step.
func Salvage(path string, why []string, m outbox.Meaning, now time.Time) (out *Salvaged, err error) {
	return salvageFile(path, why, m, now, func(string) {})
}

// salvageFile tells after what a crash would now leave done.
func salvageFile(path string, why []string, m outbox.Meaning, now time.Time, after func(step string)) (out *Salvaged, err error) {
	// Another process that waits for the lock of the damaged file must not get it: see the check in openFile.
	f, err := lockFile(path, 0, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	im, err := mapImage(f)
	if err != nil {
		return nil, fmt.Errorf("salvaging the store %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, im.close()) }()
	// A new file that doesn't get the store's name is of no use, and takes room that may be what is lacking.
	defer func() {
		if err != nil {
			err = errors.Join(err, removed(path+salvageSuffix))
		}
	}()
	out, err = salvageImage(im, path, why, m, now)
	if err != nil || out == nil {
		return nil, err
	}
	after("the new file is written")
	// Until here nothing but a file under a name of its own was made.
	if out.SetAside, err = setAside(path, now); err != nil {
		return nil, fmt.Errorf("setting the damaged store %s aside: %w", path, err)
	}
	after("the damaged file has two names")
	// A crash here leaves the damaged file with two names.
	if err := os.Rename(path+salvageSuffix, path); err != nil {
		return nil, fmt.Errorf("putting the salvaged store %s in place: %w", path, err)
	}
	after("the new file is in its place")
	if err := syncName(path); err != nil {
		return nil, fmt.Errorf("putting the salvaged store %s in place: %w", path, err)
	}
	// A crash here leaves the new store without its report, and the damaged file to check again.
	text, err := json.MarshalIndent(out, "", "  ")
	if err == nil {
		err = os.WriteFile(out.SetAside+reportSuffix, append([]byte(out.Text()+"\n"), append(text, '\n')...), fileMode)
	}
	if err != nil {
		out.lose("the report beside the store: %v", err)
	}
	after("the report is written")
	return out, nil
}

func salvageImage(im *image, path string, why []string, m outbox.Meaning, now time.Time) (*Salvaged, error) {
	x, err := examine(im, m)
	if err != nil {
		return nil, fmt.Errorf("salvaging the store %s: %w", path, err)
	}
	if len(x.report.Damage) == 0 {
		x.report.Damage = why
	}
	if len(x.report.Damage) == 0 {
		return nil, nil //nolint:nilnil // as documented
	}
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	defer codec.close()
	s := &salvage{exam: x, m: m, codec: codec, now: now, tasks: map[string]*queueContents{}, tasked: map[queued]bool{}, out: Salvaged{
		At: now, Damage: x.report.Damage, More: x.report.More, Lost: []string{},
	}}
	if err := s.mend(); err != nil {
		return nil, fmt.Errorf("salvaging the store %s: %w", path, err)
	}
	if err := s.write(path + salvageSuffix); err != nil {
		return nil, fmt.Errorf("writing what was salvaged of the store %s: %w", path, err)
	}
	return &s.out, nil
}

// setAside gives the damaged file a second name, so that it has one when the new file takes its first.
func setAside(path string, now time.Time) (string, error) {
	name := path + damagedSuffix + now.UTC().Format(stamp)
	err := os.Link(path, name)
	if errors.Is(err, os.ErrExist) {
		name = path + damagedSuffix + now.UTC().Format("2006-01-02T150405.000000000Z")
		err = os.Link(path, name)
	}
	if err != nil {
		// Some file systems know no second names.
		if err := copyFile(name, path); err != nil {
			return "", errors.Join(err, removed(name)) // half of it is of no use
		}
	}
	return name, syncName(path)
}

func copyFile(to, from string) (err error) {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Sync(), w.Close())
}

// removed removes a file that may not be there.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// write makes the new file, durable.
func (s *salvage) write(path string) (err error) {
	if err := removed(path); err != nil { // a crash may have left one
		return err
	}
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout: defaultLockTimeout, FreelistType: bbolt.FreelistMapType, NoStatistics: true, NoSync: true,
	})
	if err != nil {
		return err
	}
	w := &writer{db: db}
	err = s.writeAll(w)
	if err == nil {
		err = w.commit()
	} else if w.tx != nil {
		err = errors.Join(err, w.tx.Rollback())
	}
	if err == nil {
		err = db.Sync()
	}
	return errors.Join(err, db.Close())
}

// writer writes in transactions that aren't too large.
type writer struct {
	db   *bbolt.DB
	tx   *bbolt.Tx
	size int
}

const writeAtOnce = 8 << 20

func (w *writer) commit() error {
	if w.tx == nil {
		return nil
	}
	tx := w.tx
	w.tx, w.size = nil, 0
	return tx.Commit()
}

func (w *writer) put(path []string, key, value []byte) error {
	if w.tx == nil {
		tx, err := w.db.Begin(true)
		if err != nil {
			return err
		}
		w.tx = tx
	}
	b, err := w.tx.CreateBucketIfNotExists([]byte(path[0]))
	for _, name := range path[1:] {
		if err == nil {
			b, err = b.CreateBucketIfNotExists([]byte(name))
		}
	}
	if err != nil {
		return err
	}
	if key == nil {
		return nil
	}
	b.FillPercent = fillPercent
	if err := b.Put(key, value); err != nil {
		return err
	}
	if w.size += len(key) + len(value); w.size > writeAtOnce {
		return w.commit()
	}
	return nil
}

func (s *salvage) writeAll(w *writer) error {
	c := s.contents
	for _, bucket := range []string{metaBucket, openBucket, queuesBucket, daysBucket} {
		if err := w.put([]string{bucket}, nil, nil); err != nil {
			return err
		}
	}
	for _, day := range slices.Sorted(maps.Keys(c.days)) {
		if err := s.writeDay(w, day, c.days[day]); err != nil {
			return err
		}
	}
	for i := range c.items {
		if err := w.put([]string{openBucket}, c.items[i].key, c.items[i].value); err != nil {
			return err
		}
		s.out.Items++
	}
	for _, name := range slices.Sorted(maps.Keys(s.tasks)) {
		if err := s.writeQueue(w, name, s.tasks[name]); err != nil {
			return err
		}
	}
	if s.markLost(backupKey) || s.markLost(restoredKey) {
		// It may have been a backup, or restored from one: whoever opens it finds a mark that can't be read, which counts.
		c.meta[backupKey] = seal([]byte(backupKey), newValue(0))
	}
	for key, value := range c.meta {
		if err := w.put([]string{metaBucket}, []byte(key), value); err != nil {
			return err
		}
	}
	schema := c.schema
	if schema == 0 {
		schema = schemaVersion // it is lost
	}
	for key, n := range map[string]uint64{schemaKey: schema, seqMetaKey: s.seq} {
		if err := w.put([]string{metaBucket}, []byte(key), encodeNumber([]byte(key), n)); err != nil {
			return err
		}
	}
	return nil
}

// markLost says whether there may have been a mark in meta that is lost.
func (s *salvage) markLost(key string) bool {
	return s.contents.meta[key] == nil && slices.ContainsFunc(s.tree.holes, func(h hole) bool {
		return slices.Equal(h.path, []string{metaBucket}) && h.covers(h.path, []byte(key))
	})
}

func (s *salvage) writeDay(w *writer, day outbox.Day, d *dayContents) error {
	at := []string{daysBucket, day.String()}
	if len(d.entries)+len(d.counts) == 0 {
		return nil
	}
	for _, bucket := range []string{entriesBucket, rowsBucket, groupsBucket, labelsBucket, countsBucket} {
		if err := w.put(append(at[:2:2], bucket), nil, nil); err != nil {
			return err
		}
	}
	for i := range d.entries {
		c := &d.entries[i]
		if err := w.put(append(at[:2:2], entriesBucket), c.key, c.value); err != nil {
			return err
		}
		e, err := decodeEntry(c.key, c.value)
		if err != nil {
			return err
		}
		key := append(groupPrefix(string(e.group)), c.key...)
		if err := w.put(append(at[:2:2], groupsBucket), key, seal(key, append(newValue(len(e.id)), e.id...))); err != nil {
			return err
		}
		s.out.Entries++
	}
	for i := range d.rows {
		if err := w.put(append(at[:2:2], rowsBucket), d.rows[i].key, d.rows[i].value); err != nil {
			return err
		}
		s.out.Rows++
	}
	for i := range d.labels {
		if err := w.put(append(at[:2:2], labelsBucket), d.labels[i].key, d.labels[i].value); err != nil {
			return err
		}
	}
	if d.unlabeled != nil {
		if err := w.put(append(at[:2:2], labelsBucket), unlabeledKey, d.unlabeled); err != nil {
			return err
		}
	}
	for name, n := range d.counts {
		if err := w.put(append(at[:2:2], countsBucket), []byte(name), encodeNumber([]byte(name), n)); err != nil {
			return err
		}
	}
	return nil
}

func (s *salvage) writeQueue(w *writer, name string, q *queueContents) error {
	if len(q.due)+len(q.buried) == 0 {
		return nil
	}
	for i, bucket := range []string{dueBucket, buriedBucket} {
		if err := w.put([]string{queuesBucket, name, bucket}, nil, nil); err != nil {
			return err
		}
		for _, t := range [][]task{q.due, q.buried}[i] {
			if err := w.put([]string{queuesBucket, name, bucket}, t.key[:], encodeRef(t.key[:], t.ref)); err != nil {
				return err
			}
		}
	}
	s.out.Due += len(q.due)
	s.out.Buried += len(q.buried)
	return w.put([]string{queuesBucket, name}, []byte(depthKey), encodeDepth(len(q.due), len(q.buried)))
}
