// Package configs loads and checks wrapup.yaml.
//
//	defaults ◀── file ◀── environment ◀── flags
//	                 │
//	walk: each node against the Config struct ──▶ unknown and repeated keys, wrong types
//	resolve: secrets ──▶ check: what hangs together ──▶ compile: the mappings
//
// A configuration that doesn't check out is refused whole, with everything that is wrong with it, each with file, line,
// column and a suggestion where there is a likely one.
package configs

import (
	"crypto/x509"

	"wrapup/mappings"
)

// Config is what wrapup.yaml says. The comments of its fields, and of those below it, are the reference of the file; the
// tag "default" holds while nothing else is said, "oneof" lists the only values there are, and "later" names keys that
// the format has and this version doesn't.
//
// Every scalar outside a list and a map can also be set by an environment variable that is named after its key
// (correlation.settle is WRAPUP_CORRELATION_SETTLE), and by a flag. Flags win over the environment, that over the file.
type Config struct {
	// Version of the file's format. This version reads 1.
	Version int `yaml:"version" default:"1"`
	// Listen is the address where the dialer posts, as host:port or :port.
	Listen string `yaml:"listen" default:":8080"`
	// TLS is a certificate and its key, for the dialer's connections: without it they are not encrypted. When the files change
	// they are read again.
	TLS TLS `yaml:"tls"`
	// TrustedProxies are the networks (10.0.0.0/8) or addresses of the proxies before wrapup: for what they send on, the
	// sender is the one that they name in X-Forwarded-For or Forwarded.
	TrustedProxies []Network `yaml:"trusted_proxies,omitempty"`
	// Admin is how the commands reach the running daemon.
	Admin Admin `yaml:"admin"`
	// DataDir holds the store. It is created if it isn't there.
	DataDir string `yaml:"data_dir" default:"/var/lib/wrapup"`
	// Store bounds what is kept there.
	Store Store `yaml:"store"`
	// Retention is how long things are kept.
	Retention Retention `yaml:"retention"`
	// Sources are the feeds of the dialer. There must be one at least.
	Sources []Source `yaml:"sources"`
	// Queues says more about an access number than the dialer does. The entry "default" holds for all that a queue's own
	// entry leaves out, but the name.
	Queues map[string]Queue `yaml:"queues"`
	// Correlation is about when a call is finished, and how its record is made.
	Correlation Correlation `yaml:"correlation"`
	// MappingsDir holds the mappings that aren't built in, as NAME.yaml. A relative path is relative to the configuration
	// file's folder. The default may be missing.
	MappingsDir string `yaml:"mappings_dir" default:"/etc/wrapup/mappings"`
	// Destinations are where finished calls go.
	Destinations []Destination `yaml:"destinations"`
	// Retired names destinations that are gone for good: what waits for them stays, shown as not configured, until a person
	// drops it.
	Retired []string `yaml:"retired,omitempty"`
	// Log is what the daemon writes to standard error.
	Log Log `yaml:"log"`
}

// Admin is how the commands reach the running daemon.
type Admin struct {
	_ struct{} `later:"token"`

	// Socket is the path of the unix socket. It is no longer than 107 bytes, or the system refuses it.
	Socket string `yaml:"socket" default:"/run/wrapup/admin.sock"`
	// Listen is an address, as host:port, where /healthz, /readyz and /metrics are answered to everybody who asks. Without it nobody
	// listens.
	Listen string `yaml:"listen,omitempty"`
}

// TLS is a certificate and its key. When the files change they are read again.
type TLS struct {
	// Cert is the file of the certificate, and of those that it was issued by, PEM. A relative path is relative to the
	// configuration file's folder, as is the key's.
	Cert string `yaml:"cert"`
	// Key is the file of the certificate's key, PEM.
	Key string `yaml:"key"`
}

// Store bounds what is kept.
type Store struct {
	// MaxSize is how much of the store's file may be in use before events are refused (503), such as 20GiB. What is known of
	// calls by then is delivered all the same. If nothing is said, the disk is the limit: events are refused before it is full.
	MaxSize Size `yaml:"max_size,omitempty"`
}

// Retention is how long things are kept.
type Retention struct {
	// Calls is how long a finished call is kept with all that became of it, by the day (UTC) on which it was finished. A day on
	// which something still waits to be delivered is kept on; what is dead or parked goes with its day. It is no shorter than
	// correlation.late_window and max_age together.
	Calls Duration `yaml:"calls" default:"90d"`
	// Answers is how long the requests and answers of failed attempts are kept with deliveries that are over; those that are
	// dead or parked keep theirs, for whoever has to look at them.
	Answers Duration `yaml:"answers" default:"14d"`
	// Quarantine is how long a post is kept that was not understood, since it came last.
	Quarantine Duration `yaml:"quarantine" default:"30d"`
}

// Source is a feed of the dialer.
type Source struct {
	// Name of the feed, its kind if none is given. Two feeds can't have one name.
	Name string `yaml:"name"`
	// Kind of the feed: what is posted there.
	Kind string `yaml:"kind" oneof:"nxcloud-events"`
	// Path where the dialer posts. Two feeds can't have one path.
	Path string `yaml:"path" default:"/callbacks/nxcloud/events"`
	// Auth is what a post must carry, and where it must come from: all that is given must hold. Without it everybody who
	// reaches the path can post calls.
	Auth *SourceAuth `yaml:"auth,omitempty"`
	// Expect says when events come. Silence at these hours is an alarm; without it silence never is.
	Expect *Expect `yaml:"expect,omitempty"`
}

// Expect says when a feed's events come.
type Expect struct {
	// Hours at which calls are made: "Mon-Fri 08:00-20:00", several with a comma between. Without days they hold for each day.
	Hours Hours `yaml:"hours"`
	// Zone is the IANA time zone of these hours, such as Asia/Jakarta.
	Zone string `yaml:"zone"`
	// Within is how long it may be silent at these hours.
	Within Duration `yaml:"within" default:"10m"`
}

// SourceAuth is what a post of the dialer must carry, and where it must come from: all that is given.
type SourceAuth struct {
	// Token is a secret that the dialer's callback address carries.
	Token Secret `yaml:"token,omitempty"`
	// In is where it is carried: as the path's last part, as a query parameter, or as a header.
	In string `yaml:"in" default:"path" oneof:"path query header"`
	// Basic is user and password.
	Basic *Basic `yaml:"basic,omitempty"`
	// Allow are the networks (203.0.113.0/24) or addresses that posts must come from.
	Allow []Network `yaml:"allow,omitempty"`
}

// Queue is what is known of an access number.
type Queue struct {
	// Name as people know it.
	Name string `yaml:"name,omitempty"`
	// Region is the ISO code of the country whose national numbers the queue dials, such as ID.
	Region string `yaml:"region,omitempty"`
	// Zone is the IANA time zone of the queue's people, such as Asia/Jakarta.
	Zone string `yaml:"zone,omitempty"`
}

// Correlation is about when a call is finished, and how its record is made.
type Correlation struct {
	// Settle is how long to wait for stragglers once a call has ended, before its record is made.
	Settle Duration `yaml:"settle" default:"10s"`
	// RingTimeout is when a call counts as over of which nothing but its creation was heard.
	RingTimeout Duration `yaml:"ring_timeout" default:"10m"`
	// MaxAge is when a call counts as over whose end was never heard.
	MaxAge Duration `yaml:"max_age" default:"4h"`
	// LateWindow is how long after its finish a straggler still changes a call's record.
	LateWindow Duration `yaml:"late_window" default:"72h"`
	// Owner is which of several agents the call counts for.
	Owner string `yaml:"owner" default:"last" oneof:"last first"`
	// LateConnectAfter is how long a customer may wait for an agent before the call counts as connected late.
	LateConnectAfter Duration `yaml:"late_connect_after" default:"2s"`
}

// Destination is where finished calls go.
type Destination struct {
	_ struct{} `later:"brake session"`

	// Name of the destination: small letters, digits, "-" and "_". The backlog belongs to it. Required and unique.
	Name string `yaml:"name"`
	// Was is the name that the destination had before: what still waits under it goes where the destination says now, and so
	// do later revisions of calls that were delivered under it.
	Was string `yaml:"was,omitempty"`
	// Mapping is what a call becomes there: "record" for the record as it is, the name of a file in mappings_dir (without
	// .yaml), or of a preset. Required.
	Mapping string `yaml:"mapping"`
	// When is an expression that decides whether a call goes there, and-ed with the mapping's own.
	When string `yaml:"when,omitempty"`
	// URL of the destination, http or https, if the mapping has none or another one. It may be a secret.
	URL URL `yaml:"url,omitempty"`
	// Auth is how wrapup shows who it is: one of bearer, basic, header, query and oauth2.
	Auth *Auth `yaml:"auth,omitempty"`
	// Sign is the secret by which each request is signed, in the headers of Standard Webhooks: whsec_ and a key in base64. It
	// is a list while one replaces another: a receiver takes either.
	Sign Secrets `yaml:"sign,omitempty"`
	// Headers are set on each request, over those of the mapping. Their values are texts or secrets.
	Headers map[string]Text `yaml:"headers,omitempty"`
	// Secrets are the secrets that the mapping asks for, by name.
	Secrets map[string]Secret `yaml:"secrets,omitempty"`
	// Rate is how many requests the destination takes, such as 15/s or 40/m, if that isn't what the mapping says.
	Rate Rate `yaml:"rate,omitempty"`
	// Concurrency is how many calls are sent at the same time, 1 to 256.
	Concurrency int `yaml:"concurrency" default:"4"`
	// NewestFirst is the share of calls that are taken from the fresh end while several wait: the rest is taken from the old
	// end. So after an outage today's calls don't wait for yesterday's. 0% is strictly oldest first.
	NewestFirst Percent `yaml:"newest_first" default:"50%"`
	// Timeout of one request, from connecting to the last byte of the answer.
	Timeout Duration `yaml:"timeout" default:"30s"`
	// ConnectTimeout is for DNS and TCP, TLSTimeout for the handshake; each is 10s if nothing is said. HeaderTimeout is from
	// the request's last byte to the end of the answer's header. Timeout bounds all three.
	ConnectTimeout Duration `yaml:"connect_timeout,omitempty"`
	TLSTimeout     Duration `yaml:"tls_timeout,omitempty"`
	HeaderTimeout  Duration `yaml:"header_timeout,omitempty"`
	// Proxy is the address of a proxy (http, https or socks5), or none; if nothing is said, what HTTPS_PROXY, HTTP_PROXY and
	// NO_PROXY say. It may be a secret.
	Proxy URL `yaml:"proxy,omitempty"`
	// CA is a file with certificates in PEM of authorities that are believed beside the system's. A relative path is relative
	// to the configuration file's folder.
	CA string `yaml:"ca,omitempty"`
	// LinkLocal allows connections to link-local addresses and to the metadata services of clouds.
	LinkLocal string `yaml:"link_local" default:"refuse" oneof:"refuse allow"`
	// Probe is how often a destination that is in trouble is tried.
	Probe Duration `yaml:"probe" default:"30s"`
	// Params are the values that the mapping asks for.
	Params map[string]any `yaml:"params,omitempty"`
	// Retry is when a failed attempt is made again. The delay doubles with each attempt, and a random part of it is waited.
	Retry Retry `yaml:"retry"`
	// Ambiguous is what becomes of a request whose answer was lost where sending it twice would do harm: it is parked for a
	// person to decide, or sent again.
	Ambiguous string `yaml:"ambiguous" default:"park" oneof:"park retry"`

	// Compiled is the mapping as it was found at load, and MappingFile where: a file, or presets/NAME.yaml. MappingSource is its
	// text, nil of the one that is built in.
	Compiled      *mappings.Mapping `yaml:"-"`
	MappingFile   string            `yaml:"-"`
	MappingSource []byte            `yaml:"-"`
	// Roots are the authorities that CA adds to; nil if it wasn't given.
	Roots *x509.CertPool `yaml:"-"`
}

// Retry is when a failed attempt is made again. The delay doubles with each attempt.
type Retry struct {
	// First is the longest delay before the second attempt.
	First Duration `yaml:"first" default:"5s"`
	// Max is the longest delay there is.
	Max Duration `yaml:"max" default:"1h"`
	// GiveUpAfter is when the delivery is dead. It runs only while attempts are possible.
	GiveUpAfter Duration `yaml:"give_up_after" default:"7d"`
}

// Log is what the daemon writes to standard error.
type Log struct {
	// Level is the least that is written.
	Level string `yaml:"level" default:"info" oneof:"debug info warn error"`
	// Format is text for people, json for machines, or journald: text with the priorities that the journal knows; auto is text on a
	// terminal, journald where standard error is the journal (as in a systemd unit), else json.
	Format string `yaml:"format" default:"auto" oneof:"auto text json journald"`
}

// defaultQueue is the entry of Queues that holds where a queue's own entry says nothing.
const defaultQueue = "default"

// Queue gives what is known of an access number: its own entry, and for the region and the zone that it leaves out, the
// default's.
func (c *Config) Queue(accessNumber string) Queue {
	q, d := c.Queues[accessNumber], c.Queues[defaultQueue]
	if q.Region == "" {
		q.Region = d.Region
	}
	if q.Zone == "" {
		q.Zone = d.Zone
	}
	return q
}
