package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writePair writes a new certificate for the name, and its key.
func (s *site) writePair(name string, until time.Time) (cert, key string) {
	s.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(s.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(s.t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(s.t, err)
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	s.write("tls.crt", cert)
	s.write("tls.key", key)
	return cert, key
}

// secure makes one connection, posts an event on it, and gives the name in the certificate that was served.
func (s *site) secure(uuid string) string {
	s.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Post("https://"+s.addr+"/callbacks/nxcloud/events", "", strings.NewReader(unanswered(uuid)[0]))
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	require.Equal(s.t, 200, resp.StatusCode)
	require.Equal(s.t, "HTTP/1.1", resp.Proto)
	return resp.TLS.PeerCertificates[0].Subject.CommonName
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := newSite(t, config("http://127.0.0.1:1/")+"tls: {cert: tls.crt, key: tls.key}\n")
	out := s.fails("check")
	assert.Contains(t, out, "tls.cert: tls.crt: there is no such file")
	assert.Contains(t, out, "tls.key: tls.key: there is no such file")
	_, key := s.writePair("one", time.Now().Add(time.Hour))
	s.start()
	assert.Equal(t, "one", s.secure("a"))
	s.write("tls.key", "half a key")
	assert.Equal(t, "one", s.secure("b"))
	s.eventually("a bad pair to be noticed", func() bool { s.secure("c"); return strings.Contains(s.log.String(), "can't be served") })
	assert.Equal(t, "one", s.secure("d"), "the old one goes on")
	_, newKey := s.writePair("two", time.Now().Add(time.Hour))
	s.eventually("the new pair to be served", func() bool { return s.secure("e") == "two" })
	assert.Equal(t, 400, s.answered(s.raw(request("/callbacks/nxcloud/events", "", unanswered("f")[0]))), "no TLS, no post")
	s.eventually("it to be counted", func() bool { return s.refusedFor("no HTTP request") == 1 })
	for _, k := range []string{key, newKey} {
		assert.NotContains(t, s.log.String(), strings.Split(k, "\n")[1])
	}
	require.Zero(t, s.terminate())
	s.writePair("old", time.Now().Add(-time.Minute))
	assert.Regexp(t, `tls\.cert: warning: expired at 20\d\d-`, s.succeeds("check"))
	s.start()
	assert.Equal(t, "old", s.secure("g"), "a dialer that doesn't look at it loses nothing")
}

// Other files are served from a reload on; those that don't fit each other, or aren't there, are refused, and the old ones go on.
func TestTLSOfOtherFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, config("http://127.0.0.1:1/")+"tls: {cert: tls.crt, key: tls.key}\n")
	cert, key := s.writePair("new", time.Now().Add(time.Hour))
	s.write("new/tls.crt", cert)
	_, oldKey := s.writePair("old", time.Now().Add(time.Hour))
	s.start()
	assert.Equal(t, "old", s.secure("a"))
	s.write("new/tls.key", oldKey)
	s.edit("cert: tls.crt, key: tls.key", "cert: new/tls.crt, key: new/tls.key")
	assert.Contains(t, s.fails("reload"), "tls: cert and key are no pair")
	assert.Equal(t, "old", s.secure("a"))
	s.edit("key: new/tls.key", "key: new/none.key")
	assert.Contains(t, s.fails("reload"), "tls.key: new/none.key: there is no such file")
	s.edit("key: new/none.key", "key: new/tls.key")
	s.write("new/tls.key", key)
	s.succeeds("reload")
	assert.Equal(t, "new", s.secure("b"))

	s.writePair("old again", time.Now().Add(time.Hour)) // the former files, which nobody watches any more
	cert, key = s.writePair("newer", time.Now().Add(time.Hour))
	s.write("new/tls.crt", cert)
	s.write("new/tls.key", key)
	s.eventually("the files to be watched", func() bool { return s.secure("c") == "newer" })
	require.Zero(t, s.terminate())
}
