//go:build !linux

package bolt

// dropCache does what only Linux needs and can.
func dropCache(string) error { return nil }

// warm does what is measured on Linux only.
func warm(string) error { return nil }
