package connector

import "encoding/json"

// Text is a string that is null in JSON when it is empty, because an empty string is no answer either.
type Text string

// MarshalJSON gives the string, or null.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// Outcome is the technical result of a call. The agent's own result code is a disposition, never an outcome.
type Outcome string

// The outcomes. Busy to failed are finer words for unanswered that need a cause, which only a CDR carries.
const (
	OutcomeConnected  Outcome = "connected"  // an agent was on the call
	OutcomeAbandoned  Outcome = "abandoned"  // the customer (or a machine) answered and no agent joined
	OutcomeUnanswered Outcome = "unanswered" // it ended without an answer
	OutcomeBusy       Outcome = "busy"
	OutcomeNoAnswer   Outcome = "no_answer"
	OutcomeRejected   Outcome = "rejected"
	OutcomeCanceled   Outcome = "canceled"
	OutcomeFailed     Outcome = "failed"
	OutcomeUnknown    Outcome = "unknown" // dialled, and nothing more was ever heard
)

// Outcomes lists every outcome, in the order in which people read them.
func Outcomes() []Outcome {
	return []Outcome{OutcomeConnected, OutcomeAbandoned, OutcomeUnanswered, OutcomeBusy, OutcomeNoAnswer,
		OutcomeRejected, OutcomeCanceled, OutcomeFailed, OutcomeUnknown}
}

// Flag says that something about a record is not as it should be, and how it was read.
type Flag string

// The flags of a record.
const (
	FlagAnswerMissing Flag = "answer_missing" // an agent joined, but the customer's answer never came
	FlagClockSkew     Flag = "clock_skew"     // stamps contradict each other; the span between them was taken as 0
	FlagConflict      Flag = "conflict"       // phone or queue differs between the call's events
	FlagHangupMissing Flag = "hangup_missing" // the call's end never came
	FlagJoinMissing   Flag = "join_missing"   // an agent left who never joined
	FlagLeftInferred  Flag = "left_inferred"  // an agent's leaving never came; inferred from what he did next
	FlagStartMissing  Flag = "start_missing"  // the call's creation never came
)

// Direction of a call, seen from the call centre.
type Direction string

// The directions.
const (
	Outbound Direction = "outbound"
	Inbound  Direction = "inbound"
)

// Segment is one agent's part of a call. An agent who joins twice has two.
type Segment struct {
	Username    Text `json:"username"`
	SIPID       Text `json:"sip_id"`
	AgentID     Text `json:"agent_id"`
	JoinedAt    Time `json:"joined_at"`
	LeftAt      Time `json:"left_at"`
	TalkSeconds Span `json:"talk_seconds"`
	// IdleSeconds is how long the agent had been ready when he joined.
	IdleSeconds Span `json:"idle_seconds"`
}

// Record is one finished call: what mappings see, and what a plain webhook gets as it is. Its JSON is a contract:
// fields are added over time, never renamed; what is unknown is null.
type Record struct {
	// CallID is the uuid for a uuid's first attempt and derived from it for later ones. It never changes.
	CallID string `json:"call_id"`
	UUID   string `json:"uuid"`
	// Attempt counts the calls that used this uuid, from 1.
	Attempt int `json:"attempt"`
	// Revision counts the versions of this record, from 1.
	Revision int      `json:"revision"`
	Sources  []string `json:"sources"`
	Flags    []Flag   `json:"flags"`

	Direction Direction `json:"direction"`
	Queue     Text      `json:"queue"`
	QueueName Text      `json:"queue_name"`
	// Phone is the customer's number as sent; PhoneE164 and CountryCode follow from it and the queue's region.
	Phone           Text `json:"phone"`
	PhoneE164       Text `json:"phone_e164"`
	CountryCode     Text `json:"country_code"`
	DisplayedNumber Text `json:"displayed_number"`

	Outcome     Outcome `json:"outcome"`
	HangupCause Text    `json:"hangup_cause"`
	HangupBy    Text    `json:"hangup_by"`
	Disposition Text    `json:"disposition"`
	// LateConnect says that the customer waited longer for an agent than the regulator's line allows; nil is unknown.
	LateConnect *bool `json:"late_connect"`

	// OccurredAt is the earliest time known of the call. It is never null.
	OccurredAt Time `json:"occurred_at"`
	StartedAt  Time `json:"started_at"`
	AnsweredAt Time `json:"answered_at"`
	BridgedAt  Time `json:"bridged_at"`
	EndedAt    Time `json:"ended_at"`

	RingSeconds     Span `json:"ring_seconds"`
	WaitSeconds     Span `json:"wait_seconds"`
	TalkSeconds     Span `json:"talk_seconds"`
	BillSec         Span `json:"billsec"`
	DurationSeconds Span `json:"duration_seconds"`

	RecordingURL Text `json:"recording_url"`
	OrderID      Text `json:"order_id"`

	// Agent is the segment of the call's owner, nil if no agent had a part in it.
	Agent  *Segment  `json:"agent"`
	Agents []Segment `json:"agents"`
}

// HasFlag says whether the record carries the flag.
func (r *Record) HasFlag(f Flag) bool {
	for _, have := range r.Flags {
		if have == f {
			return true
		}
	}
	return false
}
