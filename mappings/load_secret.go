package mappings

import (
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// literalSecrets warns of values in a map, such as a query, that are written out under the name of a secret.
func (l *loader) literalSecrets(n *yaml.Node, path string) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		l.literalSecret(key.Value, value, under(path, key.Value))
		l.literalSecrets(value, under(path, key.Value))
	}
}

// literalSecret warns of a value that is written out under the name of a secret. The line isn't shown.
func (l *loader) literalSecret(name string, value *yaml.Node, path string) {
	if value.Kind != yaml.ScalarNode || value.Value == "" || strings.Contains(value.Value, "${") || !secretName(name) {
		return
	}
	if tag := value.ShortTag(); tag == "!!null" || tag == "!!bool" {
		return
	}
	l.warn(l.placeOf(value, path), "this looks like a secret, and a mapping holds none: declare a name for it under secrets: and write \"${secrets.NAME}\"")
	l.problems[len(l.problems)-1].Text = ""
}

// secretName says whether what goes by this name is a secret: Authorization, X-API-Key, access_token, clientSecret.
func secretName(name string) bool {
	var b strings.Builder
	for i, r := range name {
		if 'A' <= r && r <= 'Z' && i > 0 && 'a' <= name[i-1] && name[i-1] <= 'z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	words := strings.FieldsFunc(strings.ToLower(b.String()), func(r rune) bool { return !letterOrDigit(r) || r == '_' })
	for i, w := range words {
		switch w {
		case "authorization", "token", "secret", "password", "passwd", "apikey", "apitoken":
			return true
		case "key": // but not the key of a project, or of an idempotent request
			if len(words) == 1 || i > 0 && slices.Contains([]string{"api", "access", "auth", "app", "private", "subscription"}, words[i-1]) {
				return true
			}
		}
	}
	return false
}
