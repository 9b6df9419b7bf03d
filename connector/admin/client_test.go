package admin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever isn't in the daemon's group is told so, and not of a connection that was refused.
func TestSomebodyElseAsks(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "") // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	socket := filepath.Join(dir, "admin.sock")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	daemon := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler()}}
	daemon.Start()
	defer daemon.Close()
	require.NoError(t, os.Chmod(socket, 0))

	runtime.LockOSThread() // root may do everything: this thread is somebody else
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 {
		const nobody = 65534
		require.NoError(t, syscall.Setfsuid(nobody))
		defer func() { require.NoError(t, syscall.Setfsuid(0)) }()
	}
	_, err = dial(t.Context(), socket)
	require.ErrorContains(t, err, "this user may not ask the daemon at "+socket+": root may, and ")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://wrapup/", http.NoBody)
	require.NoError(t, err)
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, ForbiddenError(socket) }}
	_, err = do(&http.Client{Transport: transport}, req) //nolint:bodyclose // there is none
	require.Equal(t, ForbiddenError(socket), err)
}
