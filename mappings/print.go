package mappings

import (
	"fmt"
	"io"
)

// String names the mapping. It shows nothing of what it is bound to, for secrets are among that.
func (m *Mapping) String() string { return "mapping " + m.name }

// Format writes String, whatever the verb.
func (m *Mapping) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }
