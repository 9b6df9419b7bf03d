package connector

// AgentState is what an agent does now, as far as the dialer tells.
type AgentState string

// The states of an agent.
const (
	AgentReady   AgentState = "ready"   // waits for the next call
	AgentOnCall  AgentState = "on_call" // put through to a customer
	AgentWrapUp  AgentState = "wrap_up" // the call is over and the agent isn't ready yet
	AgentOffline AgentState = "offline" // the agent's phone hung up
)

// AgentNow is an agent and what he does now.
type AgentNow struct {
	Username Text       `json:"username"`
	SIPID    Text       `json:"sip_id"`
	AgentID  Text       `json:"agent_id"`
	State    AgentState `json:"state"`
	// Since when, by the dialer's clock.
	Since Time `json:"since"`
	// UUID of the call that he is on, or was on last before his wrap-up.
	UUID Text `json:"uuid"`
}

// Now reads an agent's timeline, in any order: his newest event tells what he does. It is false if none does.
func Now(timeline []Event) (AgentNow, bool) {
	states := map[Kind]AgentState{KindReady: AgentReady, KindJoined: AgentOnCall, KindLeft: AgentWrapUp, KindOffline: AgentOffline}
	var newest *Event
	for i := range timeline {
		e := &timeline[i]
		if states[e.Kind] != "" && (newest == nil || CompareEvents(newest, e) < 0) {
			newest = e
		}
	}
	if newest == nil {
		return AgentNow{}, false
	}
	now := AgentNow{
		Username: Text(newest.Username), SIPID: Text(newest.SIPID), AgentID: Text(newest.AgentID),
		State: states[newest.Kind], Since: newest.Time,
	}
	if newest.Kind == KindJoined || newest.Kind == KindLeft {
		now.UUID = Text(newest.UUID)
	}
	return now, true
}
