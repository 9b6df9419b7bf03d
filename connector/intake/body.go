package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// firstRead bounds the memory that a sender gets for the mere promise of a long body.
const firstRead = 64 << 10

const whyTooLarge = "the body is too large"

// maxBodies is how many bytes of bodies may be in memory at a time; whoever comes then waits for bodyPatience.
const (
	maxBodies    = 64 << 20
	bodyPatience = 5 * time.Second
)

// reserve makes room for the body in memory until release is called. There is none if others, who are let in as well,
// take all of it for a while: the only limit at which an event that is good is refused, beside those of the store and of
// the connections.
func (r *Receiver) reserve(req *http.Request) (release func(), no *refusal) {
	size := r.maxBody
	if n := req.ContentLength; n >= 0 && n < size {
		size = n
	}
	release = func() { r.bodies.Release(size) }
	if r.bodies.TryAcquire(size) { // without a timer
		return release, nil
	}
	ctx, cancel := context.WithTimeout(req.Context(), bodyPatience)
	defer cancel()
	if r.bodies.Acquire(ctx, size) == nil {
		return release, nil
	}
	return nil, &refusal{status: http.StatusServiceUnavailable, text: "too many posts at a time", retryAfter: retryAfter}
}

// readBody reads the body, at most so many bytes of it. It is refused with 413 if it is too large, with 408 if it
// comes too slowly, and with 400 if the client left or what came was no HTTP body.
func readBody(w http.ResponseWriter, req *http.Request, most int64) ([]byte, *refusal) {
	if req.ContentLength > most {
		return nil, tooLarge(most)
	}
	body, err := readAll(w, req, most)
	if err == nil {
		return body, nil
	}
	var (
		limit   *http.MaxBytesError
		network net.Error
	)
	switch {
	case errors.As(err, &limit):
		return nil, tooLarge(most)
	case errors.As(err, &network) && network.Timeout():
		return nil, &refusal{status: http.StatusRequestTimeout, text: "the body came too slowly", last: true}
	default:
		return nil, &refusal{status: http.StatusBadRequest, text: "the body broke off: the client left, or its framing is wrong", last: true}
	}
}

func tooLarge(most int64) *refusal {
	return &refusal{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("the body is larger than %d bytes", most),
		why: whyTooLarge, last: true}
}

func readAll(w http.ResponseWriter, req *http.Request, most int64) ([]byte, error) {
	if n := req.ContentLength; n >= 0 && n <= min(most, firstRead) { // as an event is: the server reads no more than that
		body := make([]byte, n)
		_, err := io.ReadFull(req.Body, body)
		return body, err
	}
	var body bytes.Buffer
	body.Grow(int(min(max(req.ContentLength, 0), firstRead)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, req.Body, most))
	return body.Bytes(), err
}
