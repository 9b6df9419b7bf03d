package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/mappings"
)

// initArgs answer all that init asks for a mapping.
func initArgs(t *testing.T, dir, crm string) []string {
	t.Helper()
	k, err := choose(crm)
	require.NoError(t, err)
	args := []string{"init", "--dir", dir, "--crm", crm, "--queue", "104906=Sales Jakarta", "--queue", "104907", "--region", "ID",
		"--data-dir", filepath.Join(dir, "data"), "--host", "calls.example.com"}
	for _, leaf := range leaves(k.setUp.Destination, "") {
		switch {
		case leaf.path == "url":
			args = append(args, "--url", "https://crm.example.com")
		case strings.HasSuffix(leaf.path, ".user"), strings.HasSuffix(leaf.path, ".client_id"):
			args = append(args, "--set", leaf.path+"=ana@example.com")
		}
	}
	for _, p := range k.summary.Params {
		if p.Required {
			args = append(args, "--param", p.Name+"=17")
		}
	}
	return args
}

// What init writes for each mapping passes check, readable by nobody else, and a call goes in at the address that it prints.
func TestInitForEveryMapping(t *testing.T) {
	for _, crm := range append(mappings.Presets(), builtIn) {
		t.Run(crm, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "etc", "wrapup")
			out, errs, code := wrapup(t, initArgs(t, dir, crm)...)
			require.Zero(t, code, out+errs)
			assert.Empty(t, errs)
			token, err := os.ReadFile(filepath.Join(dir, "dialer.token"))
			require.NoError(t, err)
			assert.GreaterOrEqual(t, len(token), 26)
			assert.Contains(t, out, "http://calls.example.com:8080/callbacks/nxcloud/events/"+string(token))
			config := filepath.Join(dir, "wrapup.yaml")
			checked, errs, code := wrapup(t, "check", "--config", config)
			require.Zero(t, code, checked+errs)
			assert.NoDirExists(t, filepath.Join(dir, "data"), "check starts nothing")
			require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				require.NoError(t, err)
				info, err := d.Info()
				require.NoError(t, err)
				assert.Zero(t, info.Mode().Perm()&0o027, "%s: %s", path, info.Mode())
				return nil
			}))

			before := read(t, config)
			again, errs, code := wrapup(t, initArgs(t, dir, crm)...)
			assert.Equal(t, 1, code, again+errs)
			assert.Contains(t, errs, "is there already")
			require.NoError(t, os.WriteFile(config, []byte("broken"), 0o600))
			_, errs, code = wrapup(t, append(initArgs(t, dir, crm), "--force")...)
			require.Zero(t, code, errs)
			assert.Equal(t, before, read(t, config))
			assert.Equal(t, string(token), read(t, filepath.Join(dir, "dialer.token")), "the dialer's address stays as it is")
		})
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(content)
}

// answering runs init with a person who types these lines.
func answering(t *testing.T, typed string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	root := newRoot(surroundings{out: &out, err: &errs})
	root.SetIn(strings.NewReader(typed))
	root.SetArgs(append([]string{"init"}, args...))
	err = root.Execute()
	return out.String(), errs.String(), err
}

func TestInitAsks(t *testing.T) {
	dir := t.TempDir()
	typed := strings.Join([]string{"zendsk", "zendesk", "104906=Sales", "ID", "acme", "https://acme.zendesk.com", "ana@example.com/token", "", "17", "s3cret"}, "\n") + "\n"
	out, errs, err := answering(t, typed, "--dir", dir, "--host", "here")
	require.NoError(t, err, errs)
	assert.Contains(t, errs, `did you mean "zendesk"?`)
	assert.Contains(t, errs, `needs a call property "call_uuid" with unique values`)
	assert.Contains(t, errs, `"acme" is no address`)
	assert.NotContains(t, out+errs, "s3cret")
	assert.NotContains(t, out, placeholder)
	assert.Equal(t, "s3cret\n", read(t, filepath.Join(dir, "zendesk.token")))
	config := read(t, filepath.Join(dir, "wrapup.yaml"))
	for _, want := range []string{`"104906": {name: "Sales", region: ID}`, "url: https://acme.zendesk.com", "{user: ana@example.com/token, password: {file: zendesk.token}}",
		"params: {assignee: 17}", "outcome_field: the id of a ticket field"} {
		assert.Contains(t, config, want)
	}
}

// Whoever doesn't answer to the end has nothing changed.
func TestInitLeavesNothingHalf(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	full := []string{"--dir", dir, "--crm", "redmine", "--queue", "1", "--url", "https://crm.example.com", "--param", "project=calls", "--param", "cf_call_uuid=12"}
	with := func(more ...string) []string { return slices.Concat(full, more) }
	for _, c := range []struct {
		typed string
		args  []string
		said  string
	}{
		{"hubspot\n104906\n", []string{"--dir", dir}, "no answer"},
		{"", with("--region", "XX", "--param", "tracker=4"), "two capital letters"},
		{"", with("--region", "ID", "--param", "tracker=four"), "tracker"},
		{"", with("--region", "ID", "--param", "tracker=4", "--param", "trcker=4"), "no such param"},
		{"", with("--region", "ID", "--param", "tracker=4", "--set", "auth.basic.user=x"), "no such value"},
		{"", with("--region", "ID", "--param", "tracker=4", "--secret", "crm.token=/dev/null"), "redmine.key"},
		{"", with("--region", "ID", "--param", "tracker=4", "--secret", "redmine.key=/nonexistent"), "/nonexistent"},
		{"", []string{"--dir", dir, "--crm", "hubspt"}, `did you mean "hubspot"?`},
	} {
		_, errs, err := answering(t, c.typed+"\n", c.args...)
		require.Error(t, err, c.args)
		assert.Contains(t, errs+err.Error(), c.said)
		assert.NoDirExists(t, dir)
	}
}

// Where nobody can be asked, all that is missing is said at once.
func TestInitWithoutTerminal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	_, errs, code := wrapup(t, "init", "--dir", dir, "--crm", "zendesk-callbacks")
	assert.Equal(t, exitUsage, code)
	for _, flag := range []string{"--queue", "--region", "--url", "--set auth.basic.user=…", "--param assignee=…"} {
		assert.Regexp(t, "(?m)^  "+regexp.QuoteMeta(flag), errs)
	}
	assert.NoDirExists(t, dir)
}

// Behind a proxy it listens on this machine alone, and the dialer still has to be told where to post.
func TestInitBehindAProxy(t *testing.T) {
	args := []string{"--crm", "record", "--url", "https://crm.example.com", "--queue", "1", "--region", "ID", "--listen", "127.0.0.1:9000"}
	out, errs, err := answering(t, "\n", append(args, "--dir", t.TempDir(), "--host", "calls.example.com")...)
	require.NoError(t, err, errs)
	assert.Contains(t, out, "http://calls.example.com:9000/callbacks/")
	out, errs, err = answering(t, "\n", append(args, "--dir", t.TempDir())...)
	require.NoError(t, err, errs)
	assert.Contains(t, out, "http://127.0.0.1:9000/callbacks/")
}

func TestInitCopiesSecrets(t *testing.T) {
	dir, secret := t.TempDir(), filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "mappings"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mappings", "agents.csv"), []byte("username,hubspot_owner\njdoe,1\n"), 0o600))
	args := []string{"--dir", dir, "--crm", "hubspot", "--queue", "1", "--region", "ID", "--secret", "hubspot.token=" + secret}
	out, errs, err := answering(t, "", args...)
	require.NoError(t, err, errs)
	assert.NotContains(t, out, placeholder)
	assert.Equal(t, "s3cret\n", read(t, filepath.Join(dir, "hubspot.token")))
	assert.Contains(t, read(t, filepath.Join(dir, "mappings", "agents.csv")), "jdoe", "a table that is there is kept")

	require.NoError(t, os.WriteFile(secret, []byte("new\n"), 0o600))
	_, _, err = answering(t, "", append(args, "--force")...)
	require.NoError(t, err)
	assert.Equal(t, "new\n", read(t, filepath.Join(dir, "hubspot.token")))
}

// The plain record goes to a receiver without a credential, unless one is given: no file is written that nothing reads.
func TestInitOfTheRecord(t *testing.T) {
	dir, secret := t.TempDir(), filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	args := []string{"--dir", dir, "--crm", builtIn, "--queue", "1", "--region", "ID", "--url", "https://crm.example.com"}
	out, errs, err := answering(t, "\n", args...)
	require.NoError(t, err, errs)
	assert.NotContains(t, out, placeholder)
	assert.NoFileExists(t, filepath.Join(dir, "record.token"))
	assert.NotContains(t, read(t, filepath.Join(dir, "wrapup.yaml")), "record.token")

	_, errs, err = answering(t, "", append(args, "--force", "--secret", "record.token="+secret)...)
	require.NoError(t, err, errs)
	assert.Contains(t, read(t, filepath.Join(dir, "wrapup.yaml")), "auth: {bearer: {file: record.token}}")
	before := read(t, filepath.Join(dir, "wrapup.yaml"))
	_, errs, err = answering(t, "", append(args, "--force")...) // the secret is there, and stays in use
	require.NoError(t, err, errs)
	assert.Equal(t, before, read(t, filepath.Join(dir, "wrapup.yaml")))
}
