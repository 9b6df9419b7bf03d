package intake

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the machines that may say for whom they speak.
type proxies []netip.Prefix

// unknownSender is the sender of a post of which a trusted proxy doesn't say where it came from.
var unknownSender netip.Addr

// sender gives the address that the request came from: that of the connection or, if a trusted proxy made it, the one
// that the proxies name. It is unknownSender if they name none that can be read.
//
// What a proxy got from its own client it hands on, and adds to the right. So both headers are read from the right, over
// the proxies that are trusted, up to the first address that isn't: what stands further left was said by nobody known. A
// proxy adds to one of the headers (X-Forwarded-For, or Forwarded of RFC 7239) and hands the other on as it was sent:
// whoever wants to be taken for somebody else writes into that one. Where both are there and differ, nobody is believed.
func (p proxies) sender(req *http.Request) netip.Addr {
	peer := peerOf(req.RemoteAddr)
	if !p.trusts(peer) {
		return peer
	}
	plain, forwarded := req.Header.Values("X-Forwarded-For"), req.Header.Values("Forwarded")
	switch {
	case len(plain) == 0 && len(forwarded) == 0:
		return peer
	case len(forwarded) == 0:
		return p.first(peer, plain, parseNode)
	case len(plain) == 0:
		return p.first(peer, forwarded, parseForwarded)
	}
	a, b := p.first(peer, plain, parseNode), p.first(peer, forwarded, parseForwarded)
	if a != b {
		return unknownSender
	}
	return a
}

// maxHops is how many entries of a header are looked at: more proxies than anybody has.
const maxHops = 32

// first goes over the lists from the right and gives the first address that isn't a trusted proxy's; if all are, the
// last one that was looked at.
func (p proxies) first(peer netip.Addr, lists []string, parse func(string) (netip.Addr, bool)) netip.Addr {
	at, hops := peer, 0
	for _, list := range slices.Backward(lists) {
		for more := true; more; hops++ {
			entry := list
			if i := strings.LastIndexByte(list, ','); i >= 0 {
				list, entry = list[:i], list[i+1:]
			} else {
				more = false
			}
			addr, ok := parse(strings.TrimSpace(entry))
			if !ok || hops == maxHops {
				return unknownSender
			}
			if at = addr; !p.trusts(at) {
				return at
			}
		}
	}
	return at
}

func (p proxies) trusts(addr netip.Addr) bool { return contains(p, addr) }

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}

// peerOf gives the address of a connection's other end.
func peerOf(remote string) netip.Addr {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return unknownSender
	}
	return plainAddr(peer.Addr())
}

// plainAddr gives an address as prefixes are compared with: an IPv4 address that came over an IPv6 socket is one, and an
// interface's name is no part of it.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// parseNode reads an entry of X-Forwarded-For: an address, with or without a port.
func parseNode(s string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return plainAddr(withPort.Addr()), true
	}
	if bare, ok := strings.CutPrefix(s, "["); ok {
		s, ok = strings.CutSuffix(bare, "]")
		if !ok {
			return unknownSender, false
		}
	}
	a, err := netip.ParseAddr(s)
	return plainAddr(a), err == nil
}

// parseForwarded reads an element of Forwarded (RFC 7239, section 4): for=192.0.2.43;proto=https, for="[2001:db8::1]:80".
// A comma or a semicolon in quotes parts elements here though it shouldn't: then what is read is no address, and nobody
// is believed.
func parseForwarded(s string) (netip.Addr, bool) {
	var found netip.Addr
	for pair := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			return unknownSender, false
		}
		if !strings.EqualFold(name, "for") {
			continue
		}
		if bare, quoted := strings.CutPrefix(value, `"`); quoted {
			if value, ok = strings.CutSuffix(bare, `"`); !ok {
				return unknownSender, false
			}
		}
		addr, ok := parseNode(value)
		if !ok || found.IsValid() { // "unknown", "_hidden", or named twice
			return unknownSender, false
		}
		found = addr
	}
	return found, found.IsValid()
}
