package connector

import "strings"

// Arrival is an event as it is stored: the event, and when it came.
type Arrival struct {
	Event
	// At is when it came, by wrapup's own clock. Only timers look at it; no record depends on it.
	At Time `json:"at"`
}

// The store keeps the events of a call in one group and those of an agent's timeline in another.
const (
	callGroup        = "call/"
	agentGroup       = "agent/"
	destinationGroup = "destination/"
)

// CallGroup names the group of the calls with this uuid.
func CallGroup(uuid string) string { return callGroup + uuid }

// AgentGroup names the group of an agent's timeline; agent is what [Event.Agent] gives.
func AgentGroup(agent string) string { return agentGroup + agent }

// DestinationGroup names the group of what is kept of a destination: that it is paused by a person.
func DestinationGroup(name string) string { return destinationGroup + name }

// ParseDestinationGroup gives the destination that a group is about, false if it is about none.
func ParseDestinationGroup(group string) (name string, ok bool) {
	return strings.CutPrefix(group, destinationGroup)
}

// DoubtItem is the item of a call's group that says that the call may have been finished, and delivered, before: its events
// were salvaged from a damaged store whose history is not whole. It is no event.
const DoubtItem = "doubt"

// DoubtStep is the step that the deliveries of such a call are unsure of. No mapping has it (names of steps have no space), so
// that they are parked as maybe delivered.
const DoubtStep = "before the store was salvaged"

// HoldsEvents says that the items of a group are events: it is a call's, or an agent's.
func HoldsEvents(group string) bool {
	return strings.HasPrefix(group, callGroup) || strings.HasPrefix(group, agentGroup)
}

// ParseGroup gives the uuid or the agent that a group is about; one of them is empty, or both if it is no such group.
func ParseGroup(group string) (uuid, agent string) {
	if u, ok := strings.CutPrefix(group, callGroup); ok {
		return u, ""
	}
	if a, ok := strings.CutPrefix(group, agentGroup); ok {
		return "", a
	}
	return "", ""
}

// Groups names the groups that the event belongs to: its call's, its agent's, or both. An event about neither (it means
// nothing to a call and names no agent) goes to the timeline of the agent that nobody named.
func (e *Event) Groups() []string {
	var groups []string
	if e.AboutCall() {
		groups = append(groups, CallGroup(e.UUID))
	}
	if e.AboutAgent() || len(groups) == 0 {
		groups = append(groups, AgentGroup(e.Agent()))
	}
	return groups
}
