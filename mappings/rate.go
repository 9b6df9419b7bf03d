package mappings

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

var errRate = errors.New("expected so many in some time, such as 15/s, 40/m, 60/h or 1000/d")

// ParseRate reads how many in how much time: 15/s, 40/m, 60/h, 1000/d.
func ParseRate(text string) (Rate, error) {
	count, per, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[strings.TrimSpace(per)]
	if err != nil || n < 1 || n > 1_000_000 || unit == 0 {
		return Rate{}, errRate
	}
	return Rate{N: n, Per: unit}, nil
}

// String gives the text that ParseRate reads back; "" for no limit.
func (r Rate) String() string {
	unit := map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h", 24 * time.Hour: "d"}[r.Per]
	switch {
	case r == Rate{}:
		return ""
	case unit == "":
		return fmt.Sprintf("%d in %s", r.N, r.Per)
	}
	return fmt.Sprintf("%d/%s", r.N, unit)
}
