// Package admin is how people ask a daemon what it knows and tell it what to do with deliveries: an HTTP API over a unix
// socket, and the client for it.
package admin
