package connector

// Reload is what became of reading the configuration again. The start counts as one.
type Reload struct {
	At Time `json:"at"`
	// OK says that it is in use; else the one before is, and Problems say why, each as the command check says it.
	OK       bool     `json:"ok"`
	Problems []string `json:"problems,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Changed names the settings that are other than before, Restart those that are so at the next start only.
	Changed []string `json:"changed,omitempty"`
	Restart []string `json:"restart,omitempty"`
}
