package configs

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

func outlineOf(file string, environ ...string) *Outline {
	return ReadOutline(withFiles(Input{Path: "/etc/wrapup/wrapup.yaml", Environ: environ}, fstest.MapFS{
		"etc/wrapup/wrapup.yaml": &fstest.MapFile{Data: []byte(file)}}))
}

// Whatever is wrong with a file, an outline says where the daemon and its store are, if the file says so anywhere.
func TestOutlineOfWhatIsWrong(t *testing.T) {
	const rest = "data_dir: /srv/data\nadmin: {socket: /srv/admin.sock}\nmappings_dir: maps\n"
	for name, file := range map[string]string{
		"all well":                      rest,
		"an unknown key":                "wat: 1\n" + rest,
		"a wrong value":                 "version: one\nsources: 7\nlog: {level: loud}\n" + rest,
		"missing secrets and mappings":  "destinations: [{name: a, mapping: nowhere, auth: {bearer: {file: nowhere}}}]\n" + rest,
		"no YAML before it":             "sources: [[{kind: x}]\n" + rest,
		"no YAML after it":              rest + "sources:\n  - kind: x\n bad\n",
		"a tab before it":               "queues:\n\tdefault: {}\n" + rest,
		"no YAML around it":             "log: {\n" + rest + "queues: }\n",
		"two documents":                 rest + "---\nversion: 1\n",
		"a half-written line before it": "liste\n" + rest,
		"twice":                         rest + "data_dir: /srv/other\nsources: [\n",
		"a brace too few in admin":      "data_dir: \"/srv/data\"\nadmin: {socket: '/srv/admin.sock'\nmappings_dir: maps\n",
		"a line set in by mistake":      " data_dir: /srv/data\nadmin:\n  socket: /srv/admin.sock\nmappings_dir: maps\n",
		"keys that are misspelt":        "data_dri: /srv/data\nadmn: {sockt: /srv/admin.sock}\nmapping_dir: maps\n",
		"misspelt, and a list in place": "data_dir: /srv/data\nadmin: {sokcet: /srv/admin.sock, listen: [1]}\nmappings_dir: maps\n",
		"on Windows":                    "sources: [[\r\ndata_dir: /srv/data\r\nadmin: {socket: /srv/admin.sock}\r\nmappings_dir: maps\r\n",
		"in braces that don't close":    `{"data_dir": "/srv/data", "admin": {"socket": "/srv/admin.sock"}, "mappings_dir": "maps", "sources": [`,
	} {
		o := outlineOf(file)
		assert.Equal(t, "/srv/admin.sock", o.Config.Admin.Socket, name)
		assert.Equal(t, "/srv/data", o.Config.DataDir, name)
		assert.Equal(t, "/etc/wrapup/maps", o.Config.MappingsDir, name)
		assert.True(t, o.Known(AdminSocket) && o.Known(DataDir) && o.Known(MappingsDir), name)
		assert.Equal(t, name == "all well" || name == "missing secrets and mappings", o.Problems.Err() == nil, "%s: %s", name, o.Problems)
	}
}

// Where nothing is said the defaults are meant, unless what is said can't be read.
func TestOutlineOfNothing(t *testing.T) {
	for file, known := range map[string]bool{
		"":                                    true,
		"sources: [[\n":                       true,
		"# data_dir: /a, socket:\n":           true,
		"sources: [[ # data_dir and socket\n": true,
		"admin: {listen: ':1'}\nsources: [\n": true,
		"admin: [a]\ndata_dir: [b]\n":         false,
		"data_dir: ''\nadmin: {socket: ''}\n": false,
		"sources: [\ndata_dir: [x\nadmin: {socket: {a: b}\n": false,
	} {
		o := outlineOf(file)
		assert.Equal(t, "/run/wrapup/admin.sock", o.Config.Admin.Socket, file)
		assert.Equal(t, "/var/lib/wrapup", o.Config.DataDir, file)
		assert.Equal(t, []bool{known, known}, []bool{o.Known(AdminSocket), o.Known(DataDir)}, file)
		assert.False(t, o.Unread)
	}
	o := outlineOf("data_dir: [x\nadmin: [y\n", "WRAPUP_ADMIN_SOCKET=/s", "WRAPUP_DATA_DIR=/d", "WRAPUP_MAPPINGS_DIR=here")
	assert.Equal(t, []string{"/s", "/d", "here"}, []string{o.Config.Admin.Socket, o.Config.DataDir, o.Config.MappingsDir})
	assert.True(t, o.Known(AdminSocket) && o.Known(DataDir))

	o = ReadOutline(withFiles(Input{Path: "/etc/wrapup/wrapup.yaml", Environ: []string{"WRAPUP_DATA_DIR=/d"}}, fstest.MapFS{}))
	assert.True(t, o.Unread)
	assert.Equal(t, []bool{false, true}, []bool{o.Known(AdminSocket), o.Known(DataDir)})
}

// An outline reads the whole of what is right, and no secret.
func TestOutlineOfTheRest(t *testing.T) {
	o := outlineOf("sources: [{kind: nxcloud-events, auth: {token: {file: nowhere}}}]\nqueues: {'1': {name: One}}\n" +
		"destinations:\n  - {name: a, mapping: nowhere}\n  - {nme: b, maping: record}\nlog: [\n")
	assert.Len(t, o.Config.Sources, 1)
	assert.Equal(t, "One", o.Config.Queue("1").Name)
	assert.Equal(t, []string{"a", "b"}, []string{o.Config.Destinations[0].Name, o.Config.Destinations[1].Name})
	assert.False(t, o.Config.Sources[0].Auth.Token.IsZero())
}
