package configs

import (
	"io/fs"
	"os"
	"time"

	"wrapup/mappings"
	"wrapup/mappings/source"
)

// tableSettled is how long a table's file must stay as it is before it is read again: somebody may still be writing it.
const tableSettled = time.Second

// Tables reads the files of mappings' tables again when they have changed. It has no clock and starts nothing: whoever has it
// calls Look about once a second. It is for one goroutine.
type Tables struct {
	dir      string
	stat     func(name string) (fs.FileInfo, error)
	readFile func(name string) ([]byte, error)
	users    []*tableUser
	files    map[string]*tableFile
}

// tableUser is a destination whose mapping has tables in files.
type tableUser struct {
	destination string
	mapping     *mappings.Mapping
	files       []string
	// read is how each of them was when it was read last.
	read []fileState
}

// tableFile is how a file was at the last look, and since when it has been so.
type tableFile struct {
	seen  fileState
	since time.Time
}

// fileState tells one content of a file from another. The zero fileState is that of a file that isn't there.
type fileState struct {
	there   bool
	size    int64
	changed time.Time
}

// TableChange is what became of a destination's tables.
type TableChange struct {
	Destination string
	// Mapping is the destination's mapping with the new tables, nil if they can't be used: then the one before stays in use.
	Mapping *mappings.Mapping
	// Problems are why they can't be used or, as warnings, what is doubtful.
	Problems source.Problems
}

// NewTables watches the table files of a configuration. readFile and stat are nil for those of package os.
func NewTables(c *Config, readFile func(string) ([]byte, error), stat func(string) (fs.FileInfo, error)) *Tables {
	t := &Tables{dir: c.MappingsDir, readFile: readFile, stat: stat, files: map[string]*tableFile{}}
	if readFile == nil {
		t.readFile = os.ReadFile
	}
	if stat == nil {
		t.stat = os.Stat
	}
	for i := range c.Destinations {
		d := &c.Destinations[i]
		if d.Compiled == nil || len(d.Compiled.TableFiles()) == 0 {
			continue
		}
		user := &tableUser{destination: d.Name, mapping: d.Compiled}
		for _, name := range d.Compiled.TableFiles() {
			file := tablePath(t.dir, name)
			user.files = append(user.files, file)
			t.files[file] = &tableFile{}
		}
		// How they were when the configuration was loaded isn't known: they are read once more, and compared.
		user.read = make([]fileState, len(user.files))
		t.users = append(t.users, user)
	}
	return t
}

// Any says whether there is anything to look at.
func (t *Tables) Any() bool { return len(t.users) > 0 }

// Look gives the destinations whose tables have changed. A file that is being written is left alone until it has been the
// same for a second.
func (t *Tables) Look(now time.Time) []TableChange {
	for name, f := range t.files {
		if state := t.state(name); state != f.seen || f.since.IsZero() {
			f.seen, f.since = state, now
		}
	}
	content := map[string]readFile{}
	var changes []TableChange
	for _, user := range t.users {
		if !t.due(user, now) {
			continue
		}
		fresh, problems := user.mapping.WithTables(t.reader(content))
		if t.moved(user) {
			continue // while it was read: it is looked at again
		}
		for i, name := range user.files {
			user.read[i] = t.files[name].seen
		}
		for i, p := range problems {
			if p.File != user.mapping.File() {
				problems[i].File = tablePath(t.dir, p.File)
			}
		}
		switch {
		case fresh == nil:
			changes = append(changes, TableChange{Destination: user.destination, Problems: problems})
		case !fresh.SameTables(user.mapping):
			user.mapping = fresh
			changes = append(changes, TableChange{Destination: user.destination, Mapping: fresh, Problems: problems})
		}
	}
	return changes
}

// readFile is what reading a file gave.
type readFile struct {
	src []byte
	err error
}

// reader reads each file once, so that destinations that share one see the same.
func (t *Tables) reader(content map[string]readFile) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		file := tablePath(t.dir, name)
		got, ok := content[file]
		if !ok {
			got.src, got.err = t.readFile(file)
			if got.err != nil {
				got.err = tableUnreadable(file, got.err)
			}
			content[file] = got
		}
		return got.src, got.err
	}
}

// due says that a file of the destination has changed, and that all of them have settled.
func (t *Tables) due(user *tableUser, now time.Time) bool {
	changed := false
	for i, name := range user.files {
		f := t.files[name]
		if now.Sub(f.since) < tableSettled {
			return false
		}
		changed = changed || f.seen != user.read[i]
	}
	return changed
}

// moved says that a file is no longer as it was at the beginning of the look.
func (t *Tables) moved(user *tableUser) bool {
	for _, name := range user.files {
		if t.state(name) != t.files[name].seen {
			return true
		}
	}
	return false
}

func (t *Tables) state(name string) fileState {
	info, err := t.stat(name)
	if err != nil {
		return fileState{}
	}
	return fileState{there: true, size: info.Size(), changed: info.ModTime()}
}
