package bolt

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// migration brings a file from one schema version to the next. It sees the whole file and may change all of it but the
// version, which is written for it.
type migration func(tx *bbolt.Tx) error

// migrations are the steps between schema versions, the first of them from 1 to 2: there is one less than there are versions.
// A step that was released is never changed. There is none yet.
func migrations() []migration { return make([]migration, schemaVersion-1) }

// migrate brings a file up to the newest version, one step in one transaction: a crash leaves the file at one of the versions
// between, and the next start goes on from there.
func (s *Store) migrate(version uint64, steps []migration) error {
	for ; version <= uint64(len(steps)); version++ {
		if err := s.migrateStep(version, steps[version-1]); err != nil {
			return fmt.Errorf("bringing it from schema version %d to %d: %w", version, version+1, err)
		}
		s.log.Info("the store was brought to a newer schema version", "path", s.path, "version", version+1)
	}
	return nil
}

func (s *Store) migrateStep(from uint64, step migration) error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	if err := step(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		return errors.Join(errors.New("the bucket meta is gone"), tx.Rollback())
	}
	key := []byte(schemaKey)
	if err := meta.Put(key, encodeNumber(key, from+1)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := s.commit(tx.Commit); err != nil {
		_ = tx.Rollback() // in case the commit was not tried
		return err
	}
	return nil
}
