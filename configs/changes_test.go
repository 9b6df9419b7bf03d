package configs

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChanges(t *testing.T) {
	const before = `
sources: [{name: a, kind: nxcloud-events, auth: {token: {file: a.token}}}, {name: b, kind: nxcloud-events, path: /b, auth: {token: {file: b.token}}}]
queues: {"1": {name: One}, "2": {name: Two}}
mappings_dir: mappings
destinations:
  - {name: crm, mapping: desk, url: "https://crm.example.com", auth: {bearer: {file: crm.token}}, params: {group: 7}}
  - {name: hook, mapping: record, url: {file: hook.url}}
`
	files := map[string]string{
		"wrapup.yaml": before, "a.token": "s3cret-a-s3cret-a", "b.token": "s3cret-b-s3cret-b", "crm.token": "s3cret-crm", "hook.url": "https://hook.example.com/s3cret",
		"mappings/desk.yaml": "params: {group: {type: int}}\ntables: {t: {file: t.csv, key: k, value: v, default: none}}\n" +
			"steps: [{name: log, path: /calls, repeat: safe, body: {v: \"${tables.t[call.queue]}\", g: \"${params.group}\"}}]\n",
		"mappings/t.csv": "k,v\n1,one\n",
	}
	load := func(change map[string]string) *Config {
		fs := fstest.MapFS{}
		for name, content := range files {
			fs["etc/"+name] = &fstest.MapFile{Data: []byte(content)}
		}
		for name, content := range change {
			fs["etc/"+name] = &fstest.MapFile{Data: []byte(content)}
		}
		c, problems := Load(Input{Path: "etc/wrapup.yaml", ReadFile: fs.ReadFile, ReadDir: fs.ReadDir})
		require.NotNil(t, c, problems.Detailed())
		return c
	}
	edit := func(pairs ...string) map[string]string {
		return map[string]string{"wrapup.yaml": strings.NewReplacer(pairs...).Replace(before)}
	}
	old := load(nil)
	for name, tt := range map[string]struct {
		change map[string]string
		want   []string
	}{
		"nothing":       {nil, nil},
		"a token":       {map[string]string{"a.token": "0ther-a-0ther-a-0ther"}, []string{"sources[a].auth"}},
		"a bearer":      {map[string]string{"crm.token": "0ther"}, []string{"destinations[crm].auth"}},
		"an address":    {map[string]string{"hook.url": "https://hook.example.com/0ther"}, []string{"destinations[hook].url"}},
		"a mapping":     {map[string]string{"mappings/desk.yaml": files["mappings/desk.yaml"] + "# another\n"}, []string{"destinations[crm].mapping"}},
		"a table":       {map[string]string{"mappings/t.csv": "k,v\n1,two\n"}, []string{"destinations[crm].mapping (tables)"}},
		"a param":       {edit("group: 7", "group: 8"), []string{"destinations[crm].params"}},
		"a queue":       {edit("Two", "Three", `"1": {name: One}, `, ""), []string{"queues[1] is gone", "queues[2].name"}},
		"another name":  {edit("name: hook", "name: hooks"), []string{"destinations[hook] is gone", "destinations[hooks] is new"}},
		"another rule":  {edit("mappings_dir", "correlation: {settle: 3s}\nmappings_dir"), []string{"correlation.settle"}},
		"for the start": {edit("mappings_dir", "listen: :1\nadmin: {listen: ':2'}\nmappings_dir"), []string{"listen (restart)", "admin.listen (restart)"}},
		"from literal":  {edit("{file: hook.url}", "https://hook.example.com/s3cret"), []string{"destinations[hook].url"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range Changes(old, load(tt.change)) {
				text := c.String()
				if c.Restart() {
					text += " (restart)"
				}
				assert.NotContains(t, text, "s3cret")
				got = append(got, text)
			}
			assert.Equal(t, tt.want, got)
		})
	}
	assert.Equal(t, []string{"hook"}, Gone(old, load(edit("name: hook", "name: hooks"))))
	assert.Empty(t, Gone(old, load(edit("name: hook", "was: hook, name: hooks"))))
	assert.Empty(t, Gone(old, load(edit("name: hook", "name: hooks", "queues:", "retired: [hook]\nqueues:"))))

	// What waits under a name of the past is forgotten as easily.
	renamed := load(edit("name: hook", "was: hook, name: hooks"))
	assert.Equal(t, []string{"hook"}, Gone(renamed, load(edit("name: hook", "name: hooks"))))
	assert.Equal(t, []string{"hook"}, Gone(renamed, load(edit("name: hook", "was: hooks, name: third"))))
	assert.Empty(t, Gone(renamed, load(edit("name: hook", "name: hooks", "queues:", "retired: [hook]\nqueues:"))))
}
