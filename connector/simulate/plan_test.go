package simulate_test

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/connector/nxcloud"
	"wrapup/connector/simulate"
)

// parsed are a plan's events as the receiver reads them: by call, in the order of their coming, and by agent.
type parsed struct {
	all      []connector.Event
	calls    map[string][]connector.Event
	timeline correlate.Timeline
}

func parse(t *testing.T, p *simulate.Plan) parsed {
	out := parsed{calls: map[string][]connector.Event{}, timeline: correlate.Timeline{}}
	for i := range p.Posts {
		events, errs := nxcloud.ParseEvents(p.Posts[i].Body)
		require.Empty(t, errs)
		require.Len(t, events, 1)
		e := events[0]
		out.all = append(out.all, e)
		if e.AboutCall() {
			out.calls[e.UUID] = append(out.calls[e.UUID], e)
		}
		if e.AboutAgent() {
			out.timeline[e.Agent()] = append(out.timeline[e.Agent()], e)
		}
	}
	return out
}

func settings(o *simulate.Options) correlate.Settings {
	s := correlate.DefaultSettings()
	s.DefaultQueue.Region = o.Region
	s.LateConnectAfter = o.LateConnectAfter
	if o.OwnerFirst {
		s.Owner = correlate.OwnerFirst
	}
	return s
}

// hostile are options with every share at random.
func hostile(seed uint64) simulate.Options {
	r := rand.New(rand.NewPCG(seed, 1))
	o := simulate.Defaults()
	o.Calls, o.Seed = 200, seed
	o.Rate, o.Speed = 1+r.Float64()*200, 1+r.Float64()*200
	o.Agents = r.IntN(3) * (1 + r.IntN(40))
	shares := []*float64{&o.Answered, &o.Abandoned, &o.Transferred, &o.Offline, &o.Skewed, &o.Reordered, &o.Repeated,
		&o.NoHangup, &o.Missing}
	for _, s := range shares {
		*s = r.Float64() * float64(r.IntN(2))
	}
	o.Answered = 0.3 + 0.7*r.Float64()
	o.Withheld = map[connector.Kind]float64{}
	for _, k := range []connector.Kind{connector.KindStarted, connector.KindAnswered, connector.KindEnded, connector.KindJoined,
		connector.KindLeft, connector.KindReady, connector.KindOffline} {
		if r.IntN(3) == 0 {
			o.Withheld[k] = r.Float64() / 2
		}
	}
	o.MaxDelay = time.Duration(r.IntN(5000)) * time.Millisecond
	o.Region = []string{"", "ID"}[r.IntN(2)]
	o.OwnerFirst = r.IntN(2) == 0
	o.LateConnectAfter = time.Duration(r.IntN(6)) * time.Second
	return o
}

// seeds is how many days of hostile traffic the readings are compared over.
const seeds = 100

// seen counts what the compared records were like, so that a test can tell whether it has seen enough.
type seen struct {
	mu       sync.Mutex
	records  int
	flags    map[connector.Flag]int
	outcomes map[connector.Outcome]int
	parts    map[int]int // calls by how many agents had a part in them
}

func (s *seen) note(r *connector.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records++
	s.outcomes[r.Outcome]++
	s.parts[len(r.Agents)]++
	for _, f := range r.Flags {
		s.flags[f]++
	}
}

// Two readings of the protocol, made apart from each other, come to the same records: that of package correlate and the
// simulator's own. And of the agents' timelines a record needs little: what is kept of them with the call is enough.
func TestExpectedIsWhatTheFoldGives(t *testing.T) {
	all := seen{flags: map[connector.Flag]int{}, outcomes: map[connector.Outcome]int{}, parts: map[int]int{}}
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(seeds) {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				compare(t, hostile(seed), &all)
			})
		}
	})
	t.Log(all.records, "records", all.outcomes, all.flags, "agents' parts", all.parts)
	for _, f := range []connector.Flag{connector.FlagAnswerMissing, connector.FlagClockSkew, connector.FlagHangupMissing,
		connector.FlagJoinMissing, connector.FlagLeftInferred, connector.FlagStartMissing} {
		assert.Greater(t, all.flags[f], 100, f)
	}
	for _, outcome := range []connector.Outcome{connector.OutcomeConnected, connector.OutcomeAbandoned,
		connector.OutcomeUnanswered, connector.OutcomeUnknown} {
		assert.Greater(t, all.outcomes[outcome], 100, outcome)
	}
	assert.Greater(t, all.parts[2], 100, "transfers")
}

func compare(t *testing.T, o simulate.Options, all *seen) {
	require.NoError(t, o.Check())
	plan := simulate.Generate(o)
	events := parse(t, plan)
	require.Len(t, events.calls, len(plan.Expected))
	s := settings(&o)
	for i := range plan.Expected {
		want := &plan.Expected[i]
		all.note(want)
		kept := correlate.ByAgent(correlate.Used(want, events.timeline))
		for name, timeline := range map[string]correlate.Timeline{"all": events.timeline, "kept": kept} {
			got := correlate.Fold(events.calls[want.UUID], correlate.Frozen{}, timeline, &s)
			require.Len(t, got, 1)
			if expected, folded := encode(t, want), encode(t, &got[0].Record); expected != folded {
				tell(t, want, &events)
				require.JSONEq(t, expected, folded, "call %s, %s of the timelines", want.UUID, name)
			}
		}
	}
}

// tell prints what the dialer sent of a call, and what its agents did.
func tell(t *testing.T, r *connector.Record, events *parsed) {
	for _, e := range events.calls[r.UUID] {
		t.Log(e.Code, e.Time, e.Username, e.AgentID)
	}
	for i := range r.Agents {
		for _, e := range events.timeline["user:"+string(r.Agents[i].Username)] {
			if d := e.Time.Sub(r.OccurredAt).Micros; d > -600e6 && d < 600e6 {
				t.Log("timeline of", e.Username, e.Code, e.Time, e.UUID)
			}
		}
	}
}

func encode(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestTheSameSeedGivesTheSamePlan(t *testing.T) {
	o := hostile(7)
	assert.Equal(t, simulate.Generate(o), simulate.Generate(o))
	other := o
	other.Seed++
	assert.NotEqual(t, simulate.Generate(o).Posts, simulate.Generate(other).Posts)
}

// Every agent is in one call at a time, ready before each, and goes home at the end.
func TestAgentsAreInOneCallAtATime(t *testing.T) {
	o := simulate.Defaults()
	o.Reordered, o.Repeated = 0, 0
	o.Calls, o.Transferred, o.Offline = 2000, 0.3, 0.3
	for seed := range uint64(10) {
		o.Seed = seed
		plan := simulate.Generate(o)
		for agent, events := range parse(t, plan).timeline {
			in, offline := "", true
			for i := range events {
				e := &events[i]
				switch e.Kind {
				case connector.KindJoined:
					require.Empty(t, in, "%s joins %s", agent, e.UUID)
					require.False(t, offline)
					in = e.UUID
				case connector.KindLeft:
					if in != "" { // his phone may have gone a moment before
						require.Equal(t, in, e.UUID)
						in = ""
					}
				case connector.KindReady:
					require.Empty(t, in)
					offline = false
				case connector.KindOffline:
					in, offline = "", true
				}
			}
			assert.True(t, offline, agent)
		}
	}
}

func TestAnOrdinaryDay(t *testing.T) {
	o := simulate.Defaults()
	o.Calls, o.Rate = 5000, 200
	plan := simulate.Generate(o)
	share := func(outcome connector.Outcome) float64 { return float64(plan.Outcomes[outcome]) / float64(o.Calls) }
	t.Log(plan.Outcomes, plan.Agents, "agents", plan.Events, "events", plan.Took(), plan.Needs)
	assert.Len(t, plan.Expected, o.Calls)
	assert.InDelta(t, 0.34, share(connector.OutcomeConnected), 0.03)
	assert.InDelta(t, 0.01, share(connector.OutcomeAbandoned), 0.02)
	assert.InDelta(t, 0.65, share(connector.OutcomeUnanswered), 0.03)
	assert.Zero(t, plan.Withheld)
	assert.InDelta(t, 0.02, float64(plan.Repeats)/float64(plan.Events), 0.005)
	assert.InDelta(t, float64(o.Calls)/o.Rate, plan.Took().Seconds(), 15)

	few := o
	few.Agents = plan.Agents / 2 // customers wait, and give up
	busy := simulate.Generate(few)
	assert.Greater(t, busy.Outcomes[connector.OutcomeAbandoned], 3*plan.Outcomes[connector.OutcomeAbandoned])
	late := 0
	for i := range busy.Expected {
		if l := busy.Expected[i].LateConnect; l != nil && *l {
			late++
		}
	}
	assert.Greater(t, late, 100)
}

// The wire form is the documented one.
func TestBodies(t *testing.T) {
	plan := simulate.Generate(simulate.Defaults())
	seen := map[string]bool{}
	for i := range plan.Posts {
		var e map[string]any
		require.NoError(t, json.Unmarshal(plan.Posts[i].Body, &e))
		require.Equal(t, "104906", e["callid"])
		require.Len(t, e["time"], 16)
		_, err := strconv.ParseInt(e["time"].(string), 10, 64)
		require.NoError(t, err)
		typ, state := e["type"].(float64), e["state"].(float64)
		if typ == 2 || state >= 3 {
			require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, e["uuid"])
			require.Regexp(t, `^81\d{7,9}$`, e["callphone"])
		}
		if typ == 1 {
			require.Regexp(t, `^\d+$`, e["username"])
			require.Regexp(t, `^\d+$`, e["sipid"])
			require.Regexp(t, `^[0-9a-f-]{36}$`, e["agentid"])
		}
		seen[strconv.Itoa(int(typ))+"/"+strconv.Itoa(int(state))] = true
	}
	assert.Len(t, seen, 7, "%v", seen)
}

// Posts come in the order of time, what they wait for before them, and repeats after what they repeat.
func TestOrderOfPosts(t *testing.T) {
	for seed := range uint64(50) {
		plan := simulate.Generate(hostile(seed))
		known := map[string]bool{}
		for i := range plan.Posts {
			p := &plan.Posts[i]
			require.Equal(t, known[string(p.Body)], p.Repeat)
			known[string(p.Body)] = true
			for _, n := range p.After {
				require.Less(t, n, i)
			}
			if i > 0 {
				require.GreaterOrEqual(t, p.At, plan.Posts[i-1].At)
			}
		}
		assert.Len(t, known, plan.Events)
		assert.Len(t, plan.Posts, plan.Events+plan.Repeats)
	}
}

func TestCheck(t *testing.T) {
	good := simulate.Defaults()
	require.NoError(t, good.Check())
	bad := simulate.Options{Region: "DE", Reordered: 1.5, Withheld: map[connector.Kind]float64{"other": 0.1}, Agents: -1}
	err := bad.Check()
	require.Error(t, err)
	for _, want := range []string{"calls 0", "rate 0", "speed 0", "agents -1", "queue", "region DE", "reordered 1.5", "withheld other", "start 0001"} {
		assert.ErrorContains(t, err, want)
	}
}
