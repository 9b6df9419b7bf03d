package target

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// AddressError says that a connection was not made because of where it would lead. It is a matter of configuration, and no
// record's fault.
type AddressError struct {
	Addr netip.Addr
	// What the address is.
	What string
}

// Error says what is refused, and how to allow it.
func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is %s: connections there are refused, because secrets can be had there; "+
		"if the destination really is there, allow link-local addresses", e.Addr, e.What)
}

// metadata are the addresses outside of the link-local ranges at which clouds hand a machine its credentials, from the
// vendors' manuals: EC2 over IPv6, Compute Engine over IPv6, Alibaba Cloud, Azure's host.
func metadata() []netip.Addr {
	return []netip.Addr{
		netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
		netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"),
	}
}

// checkAddr refuses link-local addresses (169.254.0.0/16, RFC 3927; fe80::/10, RFC 4291), where the metadata services of
// most clouds are, and those of the others.
func checkAddr(addr netip.Addr) error {
	a := embedded(addr.Unmap().WithZone(""))
	switch {
	case a.IsLinkLocalUnicast():
		return &AddressError{Addr: addr, What: "a link-local address"}
	case slices.Contains(metadata(), a):
		return &AddressError{Addr: addr, What: "the metadata service of a cloud"}
	}
	return nil
}

// embedded gives the IPv4 address that a gateway would make of an IPv6 address: 64:ff9b::/96 (NAT64, RFC 6052) and
// 2002::/16 (6to4, RFC 3056).
func embedded(a netip.Addr) netip.Addr {
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:]))
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:]))
	}
	return a
}

// checkDial is a net.Dialer's Control: it sees the address after DNS has been asked, so a name can't hide it, and it sees
// the one that is really connected to, so DNS can't change its mind in between.
func checkDial(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return checkAddr(to.Addr())
}
