package mappings

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"
)

var (
	// presetElsewhere is how a preset refers to another one's set-up, which it shares.
	presetElsewhere = regexp.MustCompile(`[Ss]et-up: as (?:at the top of|in) the preset (\S+) \("wrapup mappings show (\S+)"\)`)
	// presetRights is how the top says what the user, the key or the application may do.
	presetRights = regexp.MustCompile(`\b(may|rights?|roles?|scopes?|permissions?|Can Create Tickets|let anyone trigger it|add one for the channel)\b`)
	// presetKey is how it says what to do with the secret.
	presetKey = regexp.MustCompile(`into (a file|files) that only wrapup can read`)
	// presetFields are the names that fields of one's own have, in the requests of presets.
	presetFields = regexp.MustCompile(`\b(u_call_\w+|cf_\w+|\w+__c|Wrapup_UUID|c(?:CallUuid|TalkSeconds|Recording)|call_uuid|call_outcome|call_seconds|call_talk_seconds|call_recording)\b`)
)

// The top of each preset says all that somebody has to do on the other side: the fields to create, by the names that the
// requests have them, what the user of the key may do, and where the key goes; and its example has all that is required.
func TestEveryPresetSaysWhatItNeeds(t *testing.T) {
	for _, name := range Presets() {
		t.Run(name, func(t *testing.T) {
			src, _ := Preset(name)
			top, rest := presetTop(string(src))
			for _, line := range strings.Split(top, "\n") {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), 132, "too long to read: %s", line)
			}
			read := unwrapped(top)
			if at := presetElsewhere.FindStringSubmatch(read); at != nil {
				require.Equal(t, at[1], at[2])
				other, ok := Preset(at[1])
				require.True(t, ok, "its set-up is that of %s, which isn't there", at[1])
				otherTop, _ := presetTop(string(other))
				require.NotRegexp(t, presetElsewhere, unwrapped(otherTop), "its set-up is nowhere")
				read += " " + unwrapped(otherTop)
			} else {
				assert.Contains(t, read, "Set-up, once")
			}
			assert.Regexp(t, presetRights, read, "what the key, or its user, may do")
			assert.Regexp(t, presetKey, read, "where the key goes")
			for _, field := range slices.Compact(slices.Sorted(slices.Values(presetFields.FindAllString(rest, -1)))) {
				assert.Contains(t, read, field, "a field to create")
			}

			s, problems := Summarize(name+".yaml", src)
			require.NoError(t, problems.Err())
			if len(s.Tables) > 0 {
				assert.Contains(t, read, "A call of an agent who isn't in it waits a day")
			}
			assert.Regexp(t, `^[1-9]\d*$`, s.Version)
			var written struct {
				Rate any
				URL  string
			}
			require.NoError(t, yaml.Load(src, &written))
			assert.NotNil(t, written.Rate, "a rate that the smallest plan takes")

			setUp, err := SetUpOf(src)
			require.NoError(t, err)
			var d struct {
				URL     any
				Auth    map[string]any
				Secrets map[string]any
				Params  map[string]any
			}
			require.NoError(t, setUp.Destination.Load(&d))
			for _, p := range s.Params {
				if p.Required {
					assert.Contains(t, d.Params, p.Name, "the example lacks a param that is required")
				}
			}
			for _, secret := range s.Secrets {
				assert.Contains(t, d.Secrets, secret, "the example lacks a secret")
			}
			_, secretURL := d.URL.(map[string]any)
			assert.True(t, len(s.Secrets) > 0 || len(d.Auth) > 0 || secretURL, "the example shows no credential")
			assert.True(t, d.URL != nil || s.HasURL, "neither the preset nor the example has a url")
		})
	}
}

// A server that fails says nothing of the call: what a preset says itself, of a list that doesn't hold what it should, say, it
// must not say then.
func TestNoPresetPutsWordsIntoAFailure(t *testing.T) {
	for _, name := range Presets() {
		src, _ := Preset(name)
		m, problems := Compile(name+".yaml", src, whatItNeeds(t, src))
		require.NoError(t, problems.Err())
		for _, s := range slices.Concat(m.create, m.update) {
			j := m.Judge(Call{Record: example(t, "")}, s.name, Answer{Status: 500, Body: []byte("<html>Internal Server Error</html>")})
			assert.Equal(t, VerdictByStatus, j.Verdict, "%s: step %s", name, s.name)
			if j.Message != "<html>Internal Server Error</html>" { // some read the text
				assert.Empty(t, j.Message, "%s: step %s", name, s.name)
			}
		}
	}
}

// EspoCRM says in a header why it refuses what isn't about one field.
func TestEspoCRMSaysWhyInAHeader(t *testing.T) {
	src, _ := Preset("espocrm")
	m, problems := Compile("espocrm.yaml", src, whatItNeeds(t, src))
	require.NoError(t, problems.Err())
	j := m.Judge(Call{Record: example(t, "")}, "log", Answer{Status: 403, Header: http.Header{"X-Status-Reason": {"No create access."}}})
	assert.Equal(t, "No create access.", j.Message)
}

// presetTop cuts a preset into the comment at its top, and the rest.
func presetTop(src string) (top, rest string) {
	var lines []string
	for line := range strings.Lines(src) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
		src = src[len(line):]
	}
	return strings.Join(lines, "\n"), src
}

// unwrapped is a comment as one line.
func unwrapped(comment string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(comment, "\n#", " ")), " ")
}
