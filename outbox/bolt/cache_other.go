//go:build !linux

package bolt

// dropCache does what only Linux needs and can.
func dropCache(string) error { return nil }
