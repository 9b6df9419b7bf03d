package intake_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector/intake"
)

// newPair makes a certificate for the name and its key, PEM.
func newPair(t *testing.T, name string, until time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestKeyPairIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(file string, content []byte) { require.NoError(t, os.WriteFile(file, content, 0o600)) }
	now := time.Now()
	c1, k1 := newPair(t, "one", now.Add(time.Hour))
	c2, k2 := newPair(t, "two", now.Add(2*time.Hour))
	old, oldKey := newPair(t, "expired", now.Add(-time.Hour))
	write(cert, c1)
	write(key, k1)
	var log bytes.Buffer
	pair, err := intake.NewKeyPair(cert, key, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	served := func() string {
		now = now.Add(time.Second)
		return pair.Current().Leaf.Subject.CommonName
	}
	assert.Equal(t, "one", served())
	write(cert, c2)
	assert.Equal(t, "one", pair.Current().Leaf.Subject.CommonName, "looked at once in a second")
	assert.Equal(t, "one", served(), "a certificate without its key changes nothing")
	assert.Equal(t, "one", served())
	assert.Equal(t, 1, strings.Count(log.String(), "can't be served"), "said once: %s", &log)
	write(key, k2)
	assert.Equal(t, "two", served())
	for name, files := range map[string][2][]byte{
		"half": {c1[:len(c1)/2], k1}, "nonsense": {[]byte("x"), []byte("y")}, "another's key": {c1, k2}, "expired": {old, oldKey}, "empty": {nil, nil},
	} {
		write(cert, files[0])
		write(key, files[1])
		assert.Equal(t, "two", served(), name)
	}
	require.NoError(t, os.Remove(key))
	assert.Equal(t, "two", served())
	// As cert-manager and others do it: a link that points elsewhere.
	write(filepath.Join(dir, "new.key"), k1)
	write(filepath.Join(dir, "new.crt"), c1)
	require.NoError(t, os.Symlink("new.key", key))
	require.NoError(t, os.Symlink("new.crt", cert+".link"))
	require.NoError(t, os.Rename(cert+".link", cert))
	assert.Equal(t, "one", served())
	assert.Equal(t, 2, strings.Count(log.String(), "a new TLS certificate is served"))
	assert.NotContains(t, log.String(), string(k1[30:60]))

	write(cert, []byte("x"))
	_, err = intake.NewKeyPair(cert, key, time.Now, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "tls: ")
}

// What is served: TLS 1.2 and newer, and no HTTP/2, whose connections carry any number of requests.
func TestWhatTLSIsSpoken(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	c, k := newPair(t, "wrapup", time.Now().Add(time.Hour))
	require.NoError(t, os.WriteFile(cert, c, 0o600))
	require.NoError(t, os.WriteFile(key, k, 0o600))
	pair, err := intake.NewKeyPair(cert, key, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(c))
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		near, far := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- tls.Server(far, pair.Config()).Handshake() }()
		client := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: "wrapup", MinVersion: version, MaxVersion: version,
			NextProtos: []string{"h2", "http/1.1"}})
		err := client.Handshake()
		assert.Equal(t, ok, err == nil, "%s: %v", tls.VersionName(version), err)
		if ok {
			assert.Equal(t, "http/1.1", client.ConnectionState().NegotiatedProtocol)
		}
		require.NoError(t, near.Close())
		<-done
		require.NoError(t, far.Close())
	}
}
