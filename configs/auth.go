package configs

// Auth is how wrapup shows a destination who it is: one of bearer, basic, header, query and oauth2. Beside it, or alone,
// there may be hmac.
type Auth struct {
	// Bearer is a token, which goes along in the header Authorization.
	Bearer Secret `yaml:"bearer,omitempty"`
	// Basic is user and password.
	Basic *Basic `yaml:"basic,omitempty"`
	// Header is a header of another name.
	Header *Header `yaml:"header,omitempty"`
	// Query is a token in the address, for APIs that take nothing better: servers and proxies write addresses to their logs.
	Query *Query `yaml:"query,omitempty"`
	// OAuth2 holds the credentials by which tokens are had. What of them is needed depends on the grant. How tokens are asked for
	// is the mapping's to say; what is said here wins, and will do for a mapping that says nothing.
	OAuth2 *OAuth2 `yaml:"oauth2,omitempty"`
	// HMAC is a signature of the body (by SHA-256) in a header, beside one of the others or alone.
	HMAC *HMAC `yaml:"hmac,omitempty"`
}

// Basic is user and password of the header Authorization: Basic.
type Basic struct {
	// User may not hold a colon. It may be a secret: some APIs take a key here, and any password.
	User Text `yaml:"user"`
	// Password is a secret.
	Password Secret `yaml:"password"`
}

// Header is a header with a secret value.
type Header struct {
	// Name of the header.
	Name string `yaml:"name"`
	// Value is a secret.
	Value Secret `yaml:"value"`
}

// Query is a parameter of the address with a secret value. Servers and proxies write addresses to their logs: it is for
// APIs that take nothing better.
type Query struct {
	// Name of the parameter.
	Name string `yaml:"name"`
	// Value is a secret.
	Value Secret `yaml:"value"`
}

// HMAC is an HMAC-SHA256 of the body in a header.
type HMAC struct {
	// Header takes the signature, after Prefix (sha256=).
	Header string `yaml:"header"`
	Prefix string `yaml:"prefix,omitempty"`
	// Secret is the key.
	Secret Secret `yaml:"secret"`
	// Encoding of the signature.
	Encoding string `yaml:"encoding" default:"hex" oneof:"hex base64"`
	// TimestampHeader, if given, takes the time in Unix seconds; then what is signed is the time, a dot and the body.
	TimestampHeader string `yaml:"timestamp_header,omitempty"`
}

// OAuth2 holds the credentials by which tokens are had. What of them is needed depends on the grant. How tokens are asked
// for is the mapping's to say (its auth.oauth2); what is said here wins, and will do for a mapping that says nothing.
type OAuth2 struct {
	// ClientID and ClientSecret are those of the application that wrapup is registered as.
	ClientID     Text   `yaml:"client_id,omitempty"`
	ClientSecret Secret `yaml:"client_secret,omitempty"`
	// RefreshToken is the one that a person got when the access was granted. Those that follow it are in the store.
	RefreshToken Secret `yaml:"refresh_token,omitempty"`
	// User and Password are for the grant password; User is also whom a jwt_bearer speaks for.
	User     Text   `yaml:"user,omitempty"`
	Password Secret `yaml:"password,omitempty"`
	// PrivateKey is an RSA key in PEM, for jwt_bearer; KeyID its name, if the server wants one; Audience whom the signed
	// statement is for, the address of the token request if nothing is said.
	PrivateKey Key    `yaml:"private_key,omitempty"`
	KeyID      string `yaml:"key_id,omitempty"`
	Audience   string `yaml:"audience,omitempty"`

	// TokenURL is where tokens are asked for.
	TokenURL URL `yaml:"token_url,omitempty"`
	// Grant is by which of the credentials tokens are had.
	Grant string `yaml:"grant,omitempty" oneof:"client_credentials refresh_token password jwt_bearer"`
	// Scope is what the tokens are for, in the server's own words.
	Scope string `yaml:"scope,omitempty"`
	// ClientIn says where client_id and client_secret stand: in the body, or as Basic in the header Authorization.
	ClientIn string `yaml:"client_in,omitempty" oneof:"body basic"`
	// Format is that of the request's body. With the Method GET all fields stand in the address.
	Format string `yaml:"format,omitempty" oneof:"form json"`
	Method string `yaml:"method,omitempty" oneof:"POST GET"`
	// RefreshTokens says whether one may be sent a second time when it isn't known what became of the first.
	RefreshTokens string `yaml:"refresh_tokens,omitempty" oneof:"single_use reusable"`
	// Extra are more fields of the request.
	Extra map[string]Text `yaml:"extra,omitempty"`
}
