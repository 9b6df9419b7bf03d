package intake

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// KeyPair is a certificate and its key in two files. When the files change, the new pair is served from the next
// connection on, as soon as it is whole: a certificate whose key has not come yet, or one that can't be read, changes
// nothing, and the old pair goes on serving.
type KeyPair struct {
	certFile, keyFile string
	now               func() time.Time
	log               *slog.Logger

	mu     sync.Mutex
	served *tls.Certificate
	// seen is how the files looked when they were read last, whatever came of it, and looked when they were looked at.
	seen   [2]fileLook
	looked time.Time
	failed string // why the files are not served, "" if they are
}

// fileLook is what changes when a file does.
type fileLook struct {
	size     int64
	modified time.Time
	err      string
	info     fs.FileInfo
}

// lookEvery is how often the files are looked at, at most.
const lookEvery = time.Second

// NewKeyPair reads the pair. An error says that there is none to begin with. One that has expired is served all the same: a
// dialer that doesn't look at it loses nothing.
func NewKeyPair(certFile, keyFile string, now func() time.Time, log *slog.Logger) (*KeyPair, error) {
	k := &KeyPair{certFile: certFile, keyFile: keyFile, now: now, log: log}
	k.seen, k.looked = k.look(), now()
	var err error
	if k.served, err = k.read(); err != nil {
		return nil, err
	}
	if end := k.served.Leaf.NotAfter; now().After(end) {
		log.Error("the TLS certificate has expired: who checks it won't post", "cert", certFile, "not_after", end.UTC())
	}
	return k, nil
}

// Config is the configuration of a server that serves the pair: TLS 1.2 or newer, and HTTP/1.1, of which each connection
// carries one request at a time, as the limits reckon.
func (k *KeyPair) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.Current(), nil },
	}
}

// Current gives the pair that is served now.
func (k *KeyPair) Current() *tls.Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if since := now.Sub(k.looked); since < lookEvery && since >= 0 {
		return k.served
	}
	k.looked = now
	look := k.look()
	if k.failed == "" && same(look, k.seen) {
		return k.served
	}
	changed := !same(look, k.seen)
	k.seen = look
	// After a failure it is read again even though nothing seems to have changed: it may have been read while it was written.
	pair, err := k.read()
	if err == nil && now.After(pair.Leaf.NotAfter) {
		err = errors.New("tls: " + k.certFile + ": the certificate expired at " + pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	switch {
	case err == nil:
		k.served, k.failed = pair, ""
		k.log.Info("a new TLS certificate is served", "cert", k.certFile, "not_after", pair.Leaf.NotAfter.UTC())
	case changed || err.Error() != k.failed:
		k.failed = err.Error()
		k.log.Error("the TLS certificate has changed and can't be served; the old one goes on", "error", err)
	}
	return k.served
}

func (k *KeyPair) look() [2]fileLook { return [2]fileLook{lookAt(k.certFile), lookAt(k.keyFile)} }

func lookAt(file string) fileLook {
	info, err := os.Stat(file)
	if err != nil {
		return fileLook{err: err.Error()}
	}
	return fileLook{size: info.Size(), modified: info.ModTime(), info: info}
}

// same says that the files are the same ones, unchanged: a link that points at another file is a change, too.
func same(a, b [2]fileLook) bool {
	for i := range a {
		x, y := a[i], b[i]
		if x.size != y.size || !x.modified.Equal(y.modified) || x.err != y.err {
			return false
		}
		if x.info != nil && !os.SameFile(x.info, y.info) {
			return false
		}
	}
	return true
}

func (k *KeyPair) read() (*tls.Certificate, error) {
	cert, err := os.ReadFile(k.certFile)
	if err != nil {
		return nil, fmt.Errorf("tls.cert: %w", err)
	}
	key, err := os.ReadFile(k.keyFile)
	if err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("tls: %s and %s: %w", k.certFile, k.keyFile, err)
	}
	return &pair, nil
}
