package configs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// load loads a configuration that must be good.
func load(t *testing.T, in Input) *Config {
	t.Helper()
	c, problems := Load(in)
	require.NoError(t, problems.Err())
	require.NotNil(t, c)
	return c
}

func inputWith(config string) Input {
	return withFiles(Input{Path: "/etc/wrapup/wrapup.yaml"}, fstest.MapFS{
		"etc/wrapup/wrapup.yaml": &fstest.MapFile{Data: []byte(config)},
		"etc/wrapup/token":       &fstest.MapFile{Data: []byte("t0ken\r\n")},
		"run/credentials/crm":    &fstest.MapFile{Data: []byte("cr3d\n")},
	})
}

// TestExample: the example that is shipped has no problem at all.
func TestExample(t *testing.T) {
	example, err := os.ReadFile("wrapup.example.yaml")
	require.NoError(t, err)
	in := withFiles(Input{Path: "/etc/wrapup/wrapup.yaml"}, fstest.MapFS{
		"etc/wrapup/wrapup.yaml":     &fstest.MapFile{Data: example},
		"etc/wrapup/dialer.token":    &fstest.MapFile{Data: []byte("a-long-t0ken-0123456789\n")},
		"etc/wrapup/warehouse.token": &fstest.MapFile{Data: []byte("t0ken\n")},
		"etc/wrapup/warehouse.sign":  &fstest.MapFile{Data: []byte("whsec_dDBrZW4gdDBrZW4gdDBrZW4gdDBrZW4=\n")},
		"etc/wrapup/callbacks.url":   &fstest.MapFile{Data: []byte("https://hooks.example.com/t0ken\n")},
		"etc/wrapup/callbacks.key":   &fstest.MapFile{Data: []byte("t0ken\n")},
	})
	c, problems := Load(in)
	require.Empty(t, problems)
	require.Len(t, c.Destinations, 2)
	for _, d := range c.Destinations {
		assert.NotNil(t, d.Compiled, d.Name)
	}
	assert.Equal(t, "predictive", c.Sources[0].Name)

	// What the example shows behind a "#" is the default.
	all := strings.NewReplacer("  #- name: desk", "# - name: desk", "  #  ", "#  ").Replace(string(example))
	all = strings.ReplaceAll(all, "\n#listen", "\nlisten")
	for _, key := range []string{"data_dir", "admin", "mappings_dir", "retention", "log", "path", "in", "settle", "ring_timeout", "max_age",
		"late_window", "late_connect_after"} {
		require.Contains(t, all, "#"+key+":")
		all = strings.ReplaceAll(all, "#"+key+":", key+":")
	}
	in = withFiles(in, fstest.MapFS{"etc/wrapup/wrapup.yaml": &fstest.MapFile{Data: []byte(all)},
		"etc/wrapup/mappings/other.txt": &fstest.MapFile{},
		"etc/wrapup/dialer.token":       &fstest.MapFile{Data: []byte("a-long-t0ken-0123456789\n")},
		"etc/wrapup/warehouse.token":    &fstest.MapFile{Data: []byte("t0ken\n")},
		"etc/wrapup/warehouse.sign":     &fstest.MapFile{Data: []byte("whsec_dDBrZW4gdDBrZW4gdDBrZW4gdDBrZW4=\n")},
		"etc/wrapup/callbacks.url":      &fstest.MapFile{Data: []byte("https://hooks.example.com/t0ken\n")},
		"etc/wrapup/callbacks.key":      &fstest.MapFile{Data: []byte("t0ken\n")},
	})
	same := load(t, in)
	for i := range c.Destinations {
		c.Destinations[i].Compiled, same.Destinations[i].Compiled = nil, nil
	}
	assert.Equal(t, c, same)
}

// What the example shows of more destinations is right, too, once its # is taken away.
func TestExampleOfMoreDestinations(t *testing.T) {
	example, err := os.ReadFile("wrapup.example.yaml")
	require.NoError(t, err)
	more := regexp.MustCompile(`(?m)^  #(-|(?:  )+[a-z#])`).ReplaceAllString(string(example), "  $1")
	more = regexp.MustCompile(`(?m)^( {8})#`).ReplaceAllString(more, "$1")
	files := fstest.MapFS{
		"etc/wrapup/wrapup.yaml":              &fstest.MapFile{Data: []byte(more)},
		"etc/wrapup/warehouse.sign":           &fstest.MapFile{Data: []byte("whsec_dDBrZW4gdDBrZW4gdDBrZW4gdDBrZW4=\n")},
		"etc/wrapup/callbacks.url":            &fstest.MapFile{Data: []byte("https://hooks.example.com/t0ken\n")},
		"etc/wrapup/mappings/desk.yaml":       &fstest.MapFile{Data: []byte("params: {group: {type: int}}\nsecrets: [key]\nsteps: [{name: log, path: /calls, body: {g: \"${params.group}\", k: \"${secrets.key}\"}}]\n")},
		"etc/wrapup/mappings/salesforce.yaml": &fstest.MapFile{Data: []byte("url: \"${auth.instance_url}\"\nauth: {oauth2: {token_path: /token, grant: client_credentials}}\nsteps: [{name: log, path: /calls}]\n")},
	}
	for _, name := range []string{"dialer.token", "warehouse.token", "callbacks.key", "desk.password", "desk.key", "salesforce.secret", "hook.secret", "hook.refresh"} {
		files["etc/wrapup/"+name] = &fstest.MapFile{Data: []byte("a-long-t0ken-0123456789\n")}
	}
	c, problems := Load(withFiles(Input{Path: "/etc/wrapup/wrapup.yaml"}, files))
	require.Empty(t, problems)
	require.Len(t, c.Destinations, 5)
	how, err := c.Destinations[4].Compiled.OAuth2()
	require.NoError(t, err)
	assert.Equal(t, "refresh_token calls:write https://api.example.com", how.Grant+" "+how.Scope+" "+how.Extra["audience"])
}

func TestDefaults(t *testing.T) {
	c := load(t, inputWith("sources: [{kind: nxcloud-events, auth: {token: {file: token}}}]\n"+
		"destinations: [{name: crm, mapping: record, url: https://crm.example.com}]\n"))
	assert.Equal(t, 1, c.Version)
	assert.Equal(t, ":8080", c.Listen)
	assert.Equal(t, "/run/wrapup/admin.sock", c.Admin.Socket)
	assert.Equal(t, "/var/lib/wrapup", c.DataDir)
	assert.Equal(t, "/etc/wrapup/mappings", c.MappingsDir)
	assert.Equal(t, Log{"info", "auto"}, c.Log)
	assert.Equal(t, Correlation{
		Settle: Duration(10 * time.Second), RingTimeout: Duration(10 * time.Minute), MaxAge: Duration(4 * time.Hour),
		LateWindow: Duration(72 * time.Hour), Owner: "last", LateConnectAfter: Duration(2 * time.Second),
	}, c.Correlation)
	s := c.Sources[0]
	assert.Equal(t, []string{"nxcloud-events", "nxcloud-events", "/callbacks/nxcloud/events", "path", "t0ken"},
		[]string{s.Name, s.Kind, s.Path, s.Auth.In, s.Auth.Token.Value()})
	d := c.Destinations[0]
	assert.Equal(t, 4, d.Concurrency)
	assert.Equal(t, Duration(30*time.Second), d.Timeout)
	assert.Equal(t, Retry{Duration(5 * time.Second), Duration(time.Hour), Duration(7 * day)}, d.Retry)
	assert.Equal(t, "park", d.Ambiguous)
	assert.Nil(t, d.Auth)
	assert.NotNil(t, d.Compiled)
}

func TestValues(t *testing.T) {
	in := inputWith(`
sources:
  - {kind: nxcloud-events, name: a, path: /a, auth: {token: {env: TOKEN}, in: header}}
  - {kind: nxcloud-events, name: b, path: /b, auth: {token: {credential: crm}, in: query}}
queues:
  0812: {name: Leading zero}
  "10.4": {region: SG}
  default: {region: ID, zone: Asia/Jakarta, name: Default}
destinations:
  - name: crm
    mapping: record
    url: {file: /etc/wrapup/url}
    auth: {header: {name: X-Api.Key, value: {file: token}}}
    params: {group: 7, phone: 0812, intl: +62812, rate: 1.5, big: 12345678901234567890, "a.b": [true, null, {x: no}], text: "7"}
  - {name: desk, mapping: record, url: https://desk.example.com, auth: {basic: {user: 12, password: {file: token}}}}
`)
	read := in.ReadFile
	in.ReadFile = func(name string) ([]byte, error) {
		if name == "/etc/wrapup/url" {
			return []byte("https://crm.example.com/s3cret\n"), nil
		}
		return read(name)
	}
	in.Environ = []string{"TOKEN=old", "TOKEN=3nv", "CREDENTIALS_DIRECTORY=/run/credentials"}
	c := load(t, in)
	assert.Equal(t, "3nv", c.Sources[0].Auth.Token.Value())
	assert.Equal(t, "cr3d", c.Sources[1].Auth.Token.Value())
	assert.Equal(t, Queue{Name: "Leading zero", Region: "ID", Zone: "Asia/Jakarta"}, c.Queue("0812"))
	assert.Equal(t, Queue{Region: "SG", Zone: "Asia/Jakarta"}, c.Queue("10.4"))
	assert.Equal(t, Queue{Region: "ID", Zone: "Asia/Jakarta"}, c.Queue("unknown"), "a name is nobody else's")
	d := c.Destinations[0]
	assert.Equal(t, "https://crm.example.com/s3cret", d.URL.Value())
	assert.True(t, d.URL.Secret())
	assert.Equal(t, "X-Api.Key", d.Auth.Header.Name)
	assert.Equal(t, "t0ken", d.Auth.Header.Value.Value())
	assert.True(t, d.Auth.Bearer.IsZero())
	assert.Equal(t, map[string]any{"group": 7, "phone": "0812", "intl": "+62812", "rate": 1.5, "big": "12345678901234567890",
		"a.b": []any{true, nil, map[string]any{"x": "no"}}, "text": "7"}, d.Params)
	assert.Equal(t, "12", c.Destinations[1].Auth.Basic.User.Value())
	assert.Equal(t, "https://desk.example.com", c.Destinations[1].URL.String())
}

// TestLayers: flags win over the environment, that over the file, that over the defaults.
func TestLayers(t *testing.T) {
	in := inputWith("listen: \":1\"\ndata_dir: file\nmappings_dir: maps\nadmin: {socket: file}\n" +
		"correlation: {settle: 1s, max_age: 1h}\nsources: [{kind: nxcloud-events}]\n")
	in.Environ = []string{"WRAPUP_LISTEN=:2", "WRAPUP_DATA_DIR=environment", "WRAPUP_CORRELATION_SETTLE=2s", "WRAPUP_MAPPINGS_DIR=/etc",
		"WRAPUP_ADMIN_SOCKET="}
	in.Flags = map[string]string{"listen": ":3", "correlation.late_window": "3d"}
	c := load(t, in)
	assert.Equal(t, ":3", c.Listen, "flag")
	assert.Equal(t, "environment", c.DataDir)
	assert.Equal(t, "file", c.Admin.Socket, "an empty variable is none")
	assert.Equal(t, "/etc", c.MappingsDir)
	assert.Equal(t, "2s 10m 1h 3d", strings.Join([]string{c.Correlation.Settle.String(), c.Correlation.RingTimeout.String(),
		c.Correlation.MaxAge.String(), c.Correlation.LateWindow.String()}, " "), "environment, default, file, flag")
}

// TestSettings pins the names of the variables: they are a promise.
func TestSettings(t *testing.T) {
	all, lists := settings(reflect.TypeFor[Config]())
	var names []string
	for _, s := range all {
		names = append(names, s.env())
	}
	assert.Equal(t, []string{
		"WRAPUP_VERSION", "WRAPUP_LISTEN", "WRAPUP_TLS_CERT", "WRAPUP_TLS_KEY", "WRAPUP_ADMIN_SOCKET", "WRAPUP_ADMIN_LISTEN", "WRAPUP_DATA_DIR", "WRAPUP_STORE_MAX_SIZE", "WRAPUP_RETENTION_CALLS", "WRAPUP_RETENTION_ANSWERS", "WRAPUP_RETENTION_QUARANTINE",
		"WRAPUP_CORRELATION_SETTLE", "WRAPUP_CORRELATION_RING_TIMEOUT", "WRAPUP_CORRELATION_MAX_AGE",
		"WRAPUP_CORRELATION_LATE_WINDOW", "WRAPUP_CORRELATION_OWNER", "WRAPUP_CORRELATION_LATE_CONNECT_AFTER",
		"WRAPUP_MAPPINGS_DIR", "WRAPUP_LOG_LEVEL", "WRAPUP_LOG_FORMAT",
	}, names)
	assert.Equal(t, []string{"WRAPUP_TRUSTED_PROXIES", "WRAPUP_SOURCES", "WRAPUP_QUEUES", "WRAPUP_DESTINATIONS", "WRAPUP_RETIRED"}, lists)
}

// TestUnreadable: what can't be read is named, each in its place.
func TestUnreadable(t *testing.T) {
	in := inputWith("sources: [{kind: nxcloud-events, auth: {token: {file: token}}}]\nmappings_dir: maps\n" +
		"destinations: [{name: crm, mapping: desk, url: https://crm.example.com}]\n")
	read, list := in.ReadFile, in.ReadDir
	in.ReadDir = func(string) ([]fs.DirEntry, error) {
		return fstest.MapFS{"desk.yaml": &fstest.MapFile{}, "other.yaml": &fstest.MapFile{}, "dir.yaml/x": &fstest.MapFile{}}.ReadDir(".")
	}
	in.ReadFile = func(name string) ([]byte, error) {
		if filepath.Ext(name) == ".yaml" && filepath.Base(name) != "wrapup.yaml" {
			return nil, &fs.PathError{Op: "read", Path: name, Err: syscall.EIO}
		}
		if filepath.Base(name) == "token" {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
		return read(name)
	}
	c, problems := Load(in)
	assert.Nil(t, c)
	assert.EqualError(t, problems.Err(), "/etc/wrapup/maps/desk.yaml: can't be read: input/output error\n"+
		"/etc/wrapup/maps/other.yaml: can't be read: input/output error\n"+
		"/etc/wrapup/wrapup.yaml:1:55: sources[0].auth.token.file: token: may not be read by this user")

	in.ReadFile, in.ReadDir = func(string) ([]byte, error) { return nil, errors.New("on fire") }, list
	_, problems = Load(in)
	assert.EqualError(t, problems.Err(), "/etc/wrapup/wrapup.yaml: can't be read: on fire")
}

// TestFiles loads from real files, with a path relative to the working folder.
func TestFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.MkdirAll("etc/maps", 0o700))
	require.NoError(t, os.WriteFile("etc/token", []byte("a-long-t0ken-0123456789\n"), 0o600))
	require.NoError(t, os.WriteFile("etc/wrapup.yaml", []byte("mappings_dir: maps\n"+
		"sources: [{kind: nxcloud-events, auth: {token: {file: token}}}]\ndestinations: []\n"), 0o600))
	c, problems := Load(Input{Path: "etc/wrapup.yaml"})
	assert.Equal(t, "etc/wrapup.yaml:3:15: destinations: warning: none: finished calls go nowhere", problems.Error())
	assert.Equal(t, "a-long-t0ken-0123456789", c.Sources[0].Auth.Token.Value())
	assert.Equal(t, "etc/maps", c.MappingsDir)
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "5s": 5 * time.Second, "7d": 7 * day, "1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute,
		"0d5s": 5 * time.Second, "10m": 10 * time.Minute, "100ms": 100 * time.Millisecond, "106750d": 106750 * day,
	} {
		d, err := ParseDuration(text)
		require.NoError(t, err, text)
		assert.Equal(t, Duration(want), d, text)
		again, err := ParseDuration(d.String())
		require.NoError(t, err, d.String())
		assert.Equal(t, d, again, text)
	}
	for _, text := range []string{"", "5", "5 seconds", "-5s", "+5s", "d", "1.5d", "-1d", "+1d", "1d-1h", "1d 2h", "1d2d", "12h1d", "NaNd",
		"106751d24h", "200000d", "99999999999999999999d", "7w"} {
		_, err := ParseDuration(text)
		assert.Error(t, err, text)
	}
	assert.Equal(t, "10m", Duration(10*time.Minute).String())
	assert.Equal(t, "1d12h", Duration(36*time.Hour).String())
	assert.Equal(t, "1h0m5s", Duration(time.Hour+5*time.Second).String())
	assert.Equal(t, "0s", Duration(0).String())
	assert.Equal(t, "3d", Duration(72*time.Hour).String())
}
