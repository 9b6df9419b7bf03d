package simulate

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"wrapup/connector"
)

// Options say what traffic to invent. Shares lie between 0 and 1.
//
// What a plan expects doesn't depend on how fast the posts are answered, nor on restarts of who receives them, if three
// things hold. The receiver's late window is longer than the whole run. Its ring timeout and its maximal age are longer
// than [Plan.Needs] says, since what an agent does after a call was finished no longer counts for it; both shrink as
// Speed grows. And the posts are sent in the order of [Post.After], as [Send] does: the end of a call is not sent before
// what its record needs of its agents' other events has been answered. (A call's own events need no such care: they amend
// its record whenever they come.)
type Options struct {
	// Calls is how many are made.
	Calls int
	// Rate is how many begin in a second of real time, Speed how many of the dialer's seconds pass meanwhile: at 60 a call
	// of a minute takes a second.
	Rate, Speed float64
	// Seed of all that is random.
	Seed uint64
	// Agents is how many there are; 0 is as many as the load needs.
	Agents int
	// Queue is the access number that all calls belong to.
	Queue string
	// Region of the queue as it is configured where the events go: "" (none) or "ID".
	Region string
	// Start is when the first agent logs in, by the dialer's clock.
	Start time.Time

	// Answered is the share of calls that the customer answers.
	Answered float64
	// Abandoned is the share of answered calls that end before an agent could join, as those to answering machines do. On
	// top of it come those that no agent is free for in time.
	Abandoned float64
	// Transferred is the share of agents' parts in a call that end with another agent taking over.
	Transferred float64
	// Offline is the share of agents' parts after which (or, half as often, in the middle of which) the agent's phone hangs
	// up.
	Offline float64
	// Skewed is the share of calls whose agent's stamp is earlier than the customer's answer.
	Skewed float64

	// Reordered is the share of events that come late, by MaxDelay of real time at most (a call's end a little later yet,
	// see Post.After). Repeated is the share that comes twice, the second time no more than MaxDelay later.
	Reordered, Repeated float64
	MaxDelay            time.Duration
	// NoHangup is the share of calls of which neither the end nor any agent's leaving ever comes. Missing is the share of
	// the others that lack one event, whichever. Withheld is the share of events that never come, by their kind.
	NoHangup, Missing float64
	Withheld          map[connector.Kind]float64

	// OwnerFirst says that the first agent who joined owns a call, not the last; LateConnectAfter is how long a customer
	// may wait for him. Both are settings of who receives the events.
	OwnerFirst       bool
	LateConnectAfter time.Duration
}

// Defaults are the options of an ordinary day: a thousand calls, a minute in a second, and a dialer that is a little untidy.
func Defaults() Options {
	return Options{
		Calls: 1000, Rate: 50, Speed: 60, Seed: 1, Queue: "104906",
		Start:    time.Date(2026, time.January, 5, 2, 0, 0, 0, time.UTC),
		Answered: 0.35, Abandoned: 0.02, Transferred: 0.05, Offline: 0.05,
		Reordered: 0.05, Repeated: 0.02, MaxDelay: 2 * time.Second,
		LateConnectAfter: 2 * time.Second,
	}
}

// Check says what is wrong with the options, all at once.
func (o *Options) Check() error {
	var errs []error
	wrong := func(name string, value any, want string) {
		errs = append(errs, fmt.Errorf("%s %v: expected %s", name, value, want))
	}
	if o.Calls < 1 {
		wrong("calls", o.Calls, "at least 1")
	}
	if !(o.Rate > 0) {
		wrong("rate", o.Rate, "more than 0")
	}
	if !(o.Speed > 0) {
		wrong("speed", o.Speed, "more than 0")
	}
	if o.Agents < 0 {
		wrong("agents", o.Agents, "at least 0")
	}
	if o.Queue == "" {
		wrong("queue", `""`, "an access number")
	}
	if o.Region != "" && o.Region != region {
		wrong("region", o.Region, region+" or none")
	}
	if o.MaxDelay < 0 {
		wrong("max delay", o.MaxDelay, "at least 0")
	}
	if y := o.Start.Year(); y < 2001 || y > 2098 {
		wrong("start", o.Start.Format(time.RFC3339), "a time from 2001 to 2098")
	}
	shares := []struct {
		name  string
		share float64
	}{
		{"answered", o.Answered}, {"abandoned", o.Abandoned}, {"transferred", o.Transferred}, {"offline", o.Offline},
		{"skewed", o.Skewed}, {"reordered", o.Reordered}, {"repeated", o.Repeated}, {"no hang-up", o.NoHangup},
		{"missing", o.Missing},
	}
	for _, s := range shares {
		if !isShare(s.share) {
			wrong(s.name, s.share, "a share from 0 to 1")
		}
	}
	for kind, share := range o.Withheld {
		switch {
		case !slices.Contains(kinds(), kind):
			wrong("withheld", kind, "one of the kinds of event that a dialer sends")
		case !isShare(share):
			wrong("withheld "+string(kind), share, "a share from 0 to 1")
		}
	}
	return errors.Join(errs...)
}

func isShare(f float64) bool { return f >= 0 && f <= 1 }

// kinds lists the kinds of event that can be withheld.
func kinds() []connector.Kind {
	return []connector.Kind{connector.KindStarted, connector.KindAnswered, connector.KindEnded, connector.KindJoined,
		connector.KindLeft, connector.KindReady, connector.KindOffline}
}

// region is the only country whose numbers are invented, countryCode its prefix.
const (
	region      = "ID"
	countryCode = "+62"
)

// How long things take, by the dialer's clock: the least, and on average so much more.
const (
	second = 1_000_000 // in microseconds

	ringLeast, ringMore         = 2 * second, 9 * second
	ringLongest                 = 40 * second
	talkLeast, talkMore         = 5 * second, 55 * second
	talkLongest                 = 900 * second
	wrapLeast, wrapMore         = 2 * second, 10 * second
	wrapLongest                 = 120 * second
	patienceLeast, patienceMore = 1 * second, 6 * second
	patienceLongest             = 60 * second
)

// agentsFor is how many agents the load keeps busy, and a few more.
func (o *Options) agentsFor() int {
	if o.Agents > 0 {
		return o.Agents
	}
	joined := o.Rate / o.Speed * o.Answered * (1 - o.Abandoned) // per second
	each := float64(talkLeast+talkMore+wrapLeast+wrapMore)/second + o.Transferred*40 + o.Offline*150
	load := min(joined*each, float64(o.Calls))
	return int(load*1.1+2*sqrt(load)) + 2
}
