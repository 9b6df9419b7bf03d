package target

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// HMAC says how a receiver of its own kind wants its requests signed: an HMAC-SHA256 (RFC 2104) of the body in a header.
type HMAC struct {
	// Header takes the signature, after Prefix ("sha256=").
	Header, Prefix string
	Secret         string
	// Base64 writes the signature in base64 with padding, else it is hex in small letters.
	Base64 bool
	// TimeHeader, if there is one, takes the time in Unix seconds; then what is signed is the time, a dot and the body, so
	// that an old request can't be passed off as a new one.
	TimeHeader string
	// Now is the time of day; it is only asked for TimeHeader.
	Now func() time.Time
}

// Auth gives it as an Auth.
func (h HMAC) Auth() Auth {
	return func(r *http.Request, body []byte) {
		sum := hmac.New(sha256.New, []byte(h.Secret))
		if h.TimeHeader != "" {
			at := strconv.FormatInt(h.Now().Unix(), 10)
			r.Header.Set(h.TimeHeader, at)
			sum.Write([]byte(at + "."))
		}
		sum.Write(body)
		text := hex.EncodeToString(sum.Sum(nil))
		if h.Base64 {
			text = base64.StdEncoding.EncodeToString(sum.Sum(nil))
		}
		r.Header.Set(h.Header, h.Prefix+text)
	}
}

// StandardWebhooks signs as the specification of that name says (its version 1.0.0, symmetric), so that receivers verify
// with its libraries: webhook-id, webhook-timestamp, and webhook-signature with one signature for each secret. During a
// rotation give the new and the old one; the receiver takes either.
//
// A secret is base64 of the key, after whsec_ or alone. webhook-id is the request's Idempotency-Key, which is the same for
// each repetition, as the specification wants it; a request without one is known by what it sends, and where to.
func StandardWebhooks(now func() time.Time, secrets ...string) (Auth, error) {
	if len(secrets) == 0 {
		return nil, errors.New("a signature needs a secret")
	}
	keys := make([]*standardwebhooks.Webhook, len(secrets))
	for i, secret := range secrets {
		key, err := webhookKey(secret)
		if err != nil {
			return nil, fmt.Errorf("secret %d of the signature %w", i+1, err)
		}
		keys[i] = key
	}
	return func(r *http.Request, body []byte) {
		id, at := messageID(r, body), now()
		signatures := make([]string, len(keys))
		for i, key := range keys {
			signatures[i], _ = key.Sign(id, at, body) // an HMAC can't fail
		}
		r.Header.Set(standardwebhooks.HeaderWebhookID, id)
		r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
		r.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	}, nil
}

// CheckWebhookSecret says what is wrong with a secret of StandardWebhooks.
func CheckWebhookSecret(secret string) error {
	_, err := webhookKey(secret)
	return err
}

func webhookKey(secret string) (*standardwebhooks.Webhook, error) {
	secret = strings.TrimSpace(secret)
	key, err := standardwebhooks.NewWebhook(secret)
	if err != nil || strings.TrimPrefix(secret, "whsec_") == "" {
		return nil, errors.New("is not base64: expected whsec_ and 24 to 64 bytes in base64 " +
			"(make one with: echo whsec_$(openssl rand -base64 32))")
	}
	return key, nil
}

// messageID names what is sent, the same whenever it is sent again.
func messageID(r *http.Request, body []byte) string {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if id := r.Header.Get(name); id != "" {
			return id
		}
	}
	sum := sha256.New()
	sum.Write([]byte(r.Method + " " + r.URL.Host + r.URL.EscapedPath() + "\n"))
	sum.Write(body)
	return "msg_" + hex.EncodeToString(sum.Sum(nil)[:16])
}
