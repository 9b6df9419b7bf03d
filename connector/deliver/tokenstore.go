package deliver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/outbox"
)

// tokenItem and a number is the item of a destination's group that holds the state of its tokens. It holds secrets: nothing
// that shows items shows this one.
const tokenItem = "token."

// TokenStore keeps the state of a destination's tokens in the outbox; it is a target.TokenStore.
//
// Items can't be changed, so each state is an item of its own, with a number that was never used before. It comes and the
// one before goes in one commit: whenever the process ends, the store holds either. Where nobody knows whether a commit
// came through, the next one takes both away.
type TokenStore struct {
	store Store
	group string

	mu     sync.Mutex
	state  []byte
	number uint64 // the last one that was used
	// there names the items that are, or may be, in the store.
	there []string
	lost  bool
	// restored says that the store was restored from a backup, taken then: what stands here may be spent since.
	restored string
	// refresh is the configured refresh token, if it may be used once, and elsewhere the other destination that used it.
	refresh, elsewhere string
}

// NewTokenStore makes one for a destination, whose configured refresh token is given if each may be used only once. What
// earlier processes stored is handed to it by Lane.Restore and Lane.Elsewhere.
func NewTokenStore(store Store, destination, refresh string) *TokenStore {
	return &TokenStore{store: store, group: connector.DestinationGroup(destination), refresh: refresh}
}

// Load gives the newest state.
func (s *TokenStore) Load(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.elsewhere != "" && !target.UsesRefreshToken(s.state, s.refresh) {
		return nil, &target.TokenError{Verdict: target.Verdict{Kind: target.Down, Reason: fmt.Sprintf("the configured refresh token was used "+
			"by the destination %q, whose name is another: using it a second time could end the access for good; "+
			"grant the access anew and configure the refresh token that this gives", s.elsewhere)}}
	}
	if s.state == nil && (s.lost || s.restored != "") {
		return nil, target.ErrStateLost
	}
	if s.restored != "" {
		return target.Doubted(s.state, "the store was restored from a backup taken at "+s.restored), nil
	}
	return s.state, nil
}

// Save replaces the state.
func (s *TokenStore) Save(ctx context.Context, state []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	id := tokenItem + strconv.FormatUint(s.number, 10)
	// A crash here finds the state before; once this is durable, the new one alone.
	result, err := s.store.Commit(context.WithoutCancel(ctx), outbox.Tx{
		Group: s.group, Drop: s.there, Add: []outbox.Item{{ID: id, Body: state}},
	})
	switch {
	case err == nil && (len(result.New) != 1 || !result.New[0]):
		return fmt.Errorf("the item %s of %s was there already", id, s.group) // somebody else has the destination
	case err == nil:
		s.there, s.state, s.restored = []string{id}, state, ""
	case errors.Is(err, outbox.ErrConflict), errors.Is(err, outbox.ErrFull), errors.Is(err, outbox.ErrInvalid):
		// nothing was changed
	default:
		s.there = append(s.there, id)
	}
	return err
}

// restore takes over an item that an earlier process stored. It is false if it is none of a TokenStore.
func (s *TokenStore) restore(item outbox.Item) bool {
	if item.ID == restoredItem {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.restored = string(item.Body)
		s.there = append(s.there, item.ID) // over once there is a newer state
		return true
	}
	text, ok := strings.CutPrefix(item.ID, tokenItem)
	if !ok {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.lost = true
		return true
	}
	s.there = append(s.there, item.ID)
	if number >= s.number {
		s.number, s.state = number, item.Body
	}
	return true
}

// other looks at an item of another destination: that one may have had the same refresh token, under a name that it doesn't
// have any more.
func (s *TokenStore) other(destination string, item outbox.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refresh != "" && strings.HasPrefix(item.ID, tokenItem) && target.UsesRefreshToken(item.Body, s.refresh) {
		s.elsewhere = destination
	}
}

// damaged says that something that is stored can't be read: if no state was restored, it may have been that.
func (s *TokenStore) damaged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
}
