package configs

import _ "embed" // for the reference

//go:embed reference.md
var reference string

// Reference says of each key of wrapup.yaml what it means, as Markdown. It is made of the comments of Config and of the structs
// below it: go test ./configs -run Reference -update.
func Reference() string { return reference }
