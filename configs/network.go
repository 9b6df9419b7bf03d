package configs

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Network is a network of addresses, or a single address.
type Network netip.Prefix

// Prefix gives the network.
func (n Network) Prefix() netip.Prefix { return netip.Prefix(n) }

// String gives 10.0.0.0/8; of a single address the address.
func (n Network) String() string {
	if p := n.Prefix(); p.IsSingleIP() {
		return p.Addr().String()
	}
	return n.Prefix().String()
}

// MarshalText gives String.
func (n Network) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads what ParseNetwork reads; of nothing it makes the network that nobody is in.
func (n *Network) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*n = Network{}
		return nil
	}
	*n, err = ParseNetwork(string(text))
	return err
}

var errNetwork = errors.New("expected a network such as 10.0.0.0/8, or an address")

// ParseNetwork reads "10.0.0.0/8", "2001:db8::/32" or a single address. A network is written by its first address: of
// 10.1.2.3/8 nobody knows which of the two was meant.
func ParseNetwork(text string) (Network, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return Network{}, errNetwork
		}
		addr = addr.Unmap()
		return Network(netip.PrefixFrom(addr, addr.BitLen())), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return Network{}, errNetwork
	case p.Addr().Is4In6():
		return Network{}, fmt.Errorf("%w: write IPv4 networks as such", errNetwork)
	case p.Masked() != p:
		return Network{}, fmt.Errorf("bits are set behind the /%d: expected %s, or the address alone", p.Bits(), p.Masked())
	}
	return Network(p), nil
}
