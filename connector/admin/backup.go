package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// backupPatience is how long whoever asked for a backup may take nothing of it. A copy that stands still makes the store's
// file grow.
const backupPatience = 20 * time.Second

// Backup writes the store as it is at one moment; to is told its size and gives what it is written to.
func (s Source) Backup(ctx context.Context, to func(size int64) (io.Writer, error)) error {
	return s.Copy(ctx, to)
}

// patient is the answer to a request that may take long as a whole, but not to take the next part.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(backupPatience)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// serveBackup answers with a copy of the store. If it fails in the middle the connection ends short of the length.
func (s Source) serveBackup(log *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		started := false
		var size int64
		err := s.Backup(r.Context(), func(n int64) (io.Writer, error) {
			started, size = true, n
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
			return patient{w, http.NewResponseController(w)}, nil
		})
		switch {
		case err == nil:
			log.Info("a backup was taken", "bytes", size, "took", time.Since(began).Round(time.Millisecond).String())
		case started:
			log.Warn("a backup was cut off", "error", err)
			panic(http.ErrAbortHandler)
		default:
			log.Error("a backup can't be taken", "error", err)
			http.Error(w, `{"error":"the store can't be read"}`, http.StatusInternalServerError)
		}
	}
}

// Backup asks for a copy of the store, see Source.Backup.
func (c *Client) Backup(ctx context.Context, to func(size int64) (io.Writer, error)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://wrapup/v1/backup", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := do(&http.Client{Transport: c.http.Transport}, req) // it takes as long as it takes
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if resp.StatusCode != http.StatusOK || resp.ContentLength < 0 {
		return fmt.Errorf("the daemon answered %s", resp.Status)
	}
	w, err := to(resp.ContentLength)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, resp.Body)
	if err == nil && n != resp.ContentLength {
		err = errors.New("it ended too early")
	}
	if err != nil {
		return fmt.Errorf("the copy was cut off after %d of %d bytes: %w", n, resp.ContentLength, err)
	}
	return nil
}
