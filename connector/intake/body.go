package intake

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// firstRead bounds the memory that a sender gets for the mere promise of a long body.
const firstRead = 64 << 10

// readBody reads the body, at most so many bytes of it. It is refused with 413 if it is too large, with 408 if it
// comes too slowly, and with 400 if the client left or what came was no HTTP body.
func readBody(w http.ResponseWriter, req *http.Request, most int64) ([]byte, *refusal) {
	tooLarge := &refusal{status: http.StatusRequestEntityTooLarge, text: fmt.Sprintf("the body is larger than %d bytes", most)}
	if req.ContentLength > most {
		return nil, tooLarge
	}
	var body bytes.Buffer
	body.Grow(int(min(max(req.ContentLength, 0), firstRead)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, req.Body, most))
	if err == nil {
		return body.Bytes(), nil
	}
	var (
		limit   *http.MaxBytesError
		network net.Error
	)
	switch {
	case errors.As(err, &limit):
		return nil, tooLarge
	case errors.As(err, &network) && network.Timeout():
		return nil, &refusal{status: http.StatusRequestTimeout, text: "the body came too slowly"}
	default:
		return nil, &refusal{status: http.StatusBadRequest, text: "the body broke off: the client left, or its framing is wrong"}
	}
}
