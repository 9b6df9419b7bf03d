// Package target is one HTTP exchange with a CRM: the connection, who we are, the answer, and what its status means.
//
// [Client.Do] sends one request and says whether it may have reached the other side; [Judge] is the status table, a pure
// function. An [Auth] puts credentials or a signature on a request; [Tokens] gets the access tokens of OAuth 2.0, whose
// values a mapping puts where the API wants them. When to try again is not decided here: the outbox keeps the schedule, and
// two schedules would fight.
package target
