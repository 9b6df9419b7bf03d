package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"wrapup/configs"
	"wrapup/connector/deliver"
	"wrapup/connector/target"
	"wrapup/mappings"
	"wrapup/outbox"
)

// connection is what a lane talks to its destination by.
type connection struct {
	of     *configs.Destination
	client *target.Client
	// tokens, asking and kept are nil where no tokens are needed.
	tokens *target.Tokens
	asking *target.Client // for tokens: it shows nobody who we are, the request does
	kept   *deliver.TokenStore
}

// destination is what a lane delivers to, over the connection.
func (c *connection) destination(d *configs.Destination) deliver.Destination {
	to := deliver.Destination{
		Name: d.Name, Mapping: d.Compiled, Sender: c.client, Concurrency: d.Concurrency, NewestFirst: int(d.NewestFirst),
		Backoff:     outbox.Backoff{First: time.Duration(d.Retry.First), Max: time.Duration(d.Retry.Max)},
		GiveUpAfter: time.Duration(d.Retry.GiveUpAfter),
		RetryUnsure: d.Ambiguous == "retry", Timeout: time.Duration(d.Timeout), Probe: time.Duration(d.Probe),
		SecretURL:  d.URL.Secret(),
		TokenStore: c.kept, Secrets: d.SecretValues(),
	}
	if c.tokens != nil {
		to.Tokens = c.tokens
	}
	return to
}

func (c *connection) close() {
	c.client.Close()
	if c.asking != nil {
		c.asking.Close()
	}
}

// connect makes the connection of a destination.
func connect(d *configs.Destination, store deliver.Store) (*connection, error) {
	return connectBy(d, store, nil)
}

// connectBy is connect over connections that dial makes; nil is TCP.
func connectBy(d *configs.Destination, store deliver.Store, dial func(ctx context.Context, network, address string) (net.Conn, error)) (_ *connection, err error) {
	options, err := transport(d)
	if err != nil {
		return nil, err
	}
	options.Dial = dial
	c := &connection{of: d}
	defer func() {
		if err != nil && c.asking != nil {
			c.asking.Close()
		}
	}()
	if how, err := d.Compiled.OAuth2(); err != nil {
		return nil, err
	} else if how != nil {
		c.asking = target.New(options)
		o := tokenOptions(d, how)
		once := o.RefreshToken
		if o.Reusable {
			once = ""
		}
		c.kept = deliver.NewTokenStore(store, d.Name, once)
		o.Store, o.Client, o.Now = c.kept, c.asking, time.Now
		o.Parse = func(body []byte, status int) (bool, map[string]any) {
			return d.Compiled.TokenRefused(mappings.Answer{Status: status, Body: body})
		}
		if c.tokens, err = target.NewTokens(o); err != nil {
			return nil, err
		}
	}
	if options.Auth, err = authentication(d); err != nil {
		return nil, err
	}
	c.client = target.New(options)
	return c, nil
}

// transport gives how requests travel, without who we are.
func transport(d *configs.Destination) (target.Options, error) {
	proxy, err := target.ParseProxy(d.Proxy.Value())
	return target.Options{
		Timeout: time.Duration(d.Timeout), Connect: time.Duration(d.ConnectTimeout), TLS: time.Duration(d.TLSTimeout),
		Header: time.Duration(d.HeaderTimeout), Connections: d.Concurrency, UserAgent: "wrapup/" + version,
		Proxy: proxy, Roots: d.Roots, LinkLocal: d.LinkLocal == "allow",
	}, err
}

// authentication gives what is put on each request: a credential, and signatures over all of it.
func authentication(d *configs.Destination) (target.Auth, error) {
	var shown, hmac, signed target.Auth
	if a := d.Auth; a != nil {
		switch {
		case a.Basic != nil:
			shown = target.Basic(a.Basic.User.Value(), a.Basic.Password.Value())
		case a.Header != nil:
			shown = target.Header(a.Header.Name, a.Header.Value.Value())
		case a.Query != nil:
			shown = target.Query(a.Query.Name, a.Query.Value.Value())
		case !a.Bearer.IsZero():
			shown = target.Bearer(a.Bearer.Value())
		}
		if h := a.HMAC; h != nil {
			hmac = target.HMAC{Header: h.Header, Prefix: h.Prefix, Secret: h.Secret.Value(), Base64: h.Encoding == "base64",
				TimeHeader: h.TimestampHeader, Now: time.Now}.Auth()
		}
	}
	if len(d.Sign) > 0 {
		var err error
		if signed, err = target.StandardWebhooks(time.Now, d.Sign.Values()...); err != nil {
			return nil, err
		}
	}
	return target.Together(shown, hmac, signed), nil
}

// tokenOptions gives where, how and by what credentials a destination's tokens are asked for.
func tokenOptions(d *configs.Destination, how *mappings.OAuth2) target.TokenOptions {
	var o configs.OAuth2
	if d.Auth != nil && d.Auth.OAuth2 != nil {
		o = *d.Auth.OAuth2
	}
	to := target.TokenOptions{
		URL: how.TokenURL, Grant: how.Grant, Method: how.Method, JSON: how.Format == "json", Basic: how.ClientIn == "basic",
		ClientID: o.ClientID.Value(), ClientSecret: o.ClientSecret.Value(), Scope: how.Scope, Extra: how.Extra,
		User: o.User.Value(), Password: o.Password.Value(), RefreshToken: o.RefreshToken.Value(), Reusable: how.RefreshTokens == mappings.Reusable,
	}
	if how.Method == http.MethodGet {
		to.JSON = false
	}
	if how.Grant == mappings.GrantJWTBearer {
		to.Grant = target.GrantJWTBearer
		to.JWT = target.JWT{Key: []byte(o.PrivateKey.Value()), KeyID: o.KeyID, Issuer: to.ClientID, Subject: to.User,
			Audience: cmp.Or(how.Audience, how.TokenURL)}
		if to.ClientSecret == "" {
			to.ClientID, to.Basic = "", false // the statement says who we are
		}
	}
	return to
}

// connecting names the destination that an error is about.
func connecting(d *configs.Destination, err error) error {
	return fmt.Errorf("destination %s: %w", d.Name, err)
}
