package bolt

import (
	"crypto/rand"
	"io"
	"os"
)

// fillUp writes what no file system makes smaller.
func fillUp(f *os.File, size int64) error {
	_, err := io.CopyN(f, rand.Reader, size)
	return err
}
