package connector

// OpenCall is a call of which events are in no record yet: it is not finished, or stragglers of it have come.
type OpenCall struct {
	UUID    string    `json:"uuid"`
	Pending []Arrival `json:"pending"`
	// Next is when it is looked at again, by wrapup's clock; unknown where no daemon runs.
	Next Time `json:"next"`
}
