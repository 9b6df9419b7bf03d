package targettest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The workspace behind Slack: a channel that the app was invited to, and an incoming webhook of another.
const (
	SlackChannel  = "C024BE91L"
	SlackHook     = "/services/T024BE7LD/B024BE7LH/" + Credential
	slackMessages = "messages"
)

// Slack is the Web API of Slack, as far as messages of an app go. All answers are 200, but for the rate limit.
func Slack() *API {
	return &API{
		Name: "Slack", Doc: "docs.slack.dev/reference/methods: chat.postMessage, chat.update, conversations.history",
		Knows:        func(_ *Fake, r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+Credential },
		AuthDoc:      "apis/web-api: the token as a bearer token; in JSON bodies it isn't read",
		Unauthorized: slackRefused("invalid_auth"),
		NotFound:     slackRefused("unknown_method"), // apis/web-api
		Asks:         true,
		// apis/web-api/rate-limits: HTTP 429 with Retry-After in seconds
		Busy: func(after time.Duration) Reply {
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}, Body: map[string]any{"ok": false, "error": "ratelimited"}}
		},
		Invalid: slackInvalid,
		Lag:     10 * time.Second, // whether the history trails behind isn't said (mem: it doesn't)
		Contact: func(phone string) map[string]any { return map[string]any{"phone": phone} },
		Routes: []Route{
			{Method: "POST", Path: "/api/chat.postMessage", Doc: "chat.postMessage, arguments; client_msg_id isn't among them", Write: true, Fields: slackFields(false), Do: slackPost},
			{Method: "POST", Path: "/api/chat.update", Doc: "chat.update, arguments", Write: true, Fields: slackFields(true), Do: slackUpdate},
			{Method: "GET", Path: "/api/conversations.history", Doc: "conversations.history, arguments: a GET, the newest first", Do: slackHistory,
				Query: []Field{{Name: "channel", Required: true, Is: slackIn}, {Name: "cursor"}, {Name: "inclusive", Is: OneOf("true", "false")},
					{Name: "include_all_metadata", Is: OneOf("true", "false")}, {Name: "latest", Is: slackTS}, {Name: "oldest", Is: slackTS},
					{Name: "limit", Is: Like(`^[1-9]\d?\d?$`, "a number up to 999"), Doc: "conversations.history: 999 at most"}}},
		},
		Entries: slackEntries,
	}
}

// SlackWebhook is an incoming webhook of Slack: the address is the credential, and answers are words.
func SlackWebhook() *API {
	fields := slices.DeleteFunc(slackFields(false), func(f Field) bool { return f.Name == "channel" || f.Name == "username" }) // incoming webhooks: an app's can't override them
	return &API{
		Name: "Slack, incoming webhooks", Doc: "docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
		Knows: func(_ *Fake, r *http.Request) bool { return r.URL.Path == SlackHook }, AuthDoc: "sending-messages-using-incoming-webhooks: the address is a secret",
		Unauthorized: Reply{Status: 404, Body: Text("no_service")}, // "Handling errors": disabled, removed, or invalid
		NotFound:     Reply{Status: 404, Body: Text("no_service")},
		Asks:         true,
		Busy: func(after time.Duration) Reply { // apis/web-api/rate-limits: webhooks as well, one message a second
			return Reply{Status: 429, Header: map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}, Body: Text("rate_limited")}
		},
		Invalid: func(_ *Route, problems []Problem) Reply { // "Handling errors": invalid_payload, no_text; invalid_blocks (mem)
			return Reply{Status: 400, Body: Text(strings.Replace(slackCode(problems[0]), "invalid_arguments", "invalid_payload", 1))}
		},
		Contact: func(phone string) map[string]any { return map[string]any{"phone": phone} },
		Routes: []Route{{Method: "POST", Path: "/services/{team}/{hook}/{key}", Doc: "sending-messages-using-incoming-webhooks", Write: true, Fields: fields,
			Do: func(f *Fake, r *Request) Reply {
				if reply := slackAdd(f, r.Map()); reply != nil {
					return Reply{Status: 400, Body: Text(Said(Get(reply.Body, "error")))}
				}
				return Reply{Status: 200, Body: Text("ok")}
			}}},
		Entries: slackEntries,
	}
}

func slackIn(v any) string {
	if v != SlackChannel {
		return "no channel that the app is in"
	}
	return ""
}

var slackTS = Like(`^\d+(\.\d+)?$`, "a Unix timestamp")

// slackFields are the arguments of a message, and its blocks: reference/block-kit/blocks, reference/block-kit/composition-objects.
func slackFields(update bool) []Field {
	text := func(under string, most int) []Field { // composition-objects/text-object
		return []Field{{Name: under + ".type", Required: true, Is: OneOf("plain_text", "mrkdwn")},
			{Name: under + ".text", Required: true, Is: func(v any) string {
				if what := Filled(v); what != "" {
					return what
				}
				return Str(most)(v)
			}}, {Name: under + ".emoji", Is: Bool}, {Name: under + ".verbatim", Is: Bool}}
	}
	fields := []Field{
		{Name: "channel", Required: true, Is: slackIn},
		{Name: "text", Is: Str(40000), Doc: "chat.postMessage: 4,000 are best, what is over 40,000 is cut off"},
		{Name: "blocks", Is: atMost(50), Doc: "block-kit/blocks: 50 in a message"},
		{Name: "blocks[].type", Required: true, Is: OneOf("section", "context", "divider")},
		{Name: "blocks[].block_id", Is: Str(255)},
		{Name: "blocks[].elements", Is: atMost(10), Doc: "blocks/context-block: 10 elements"},
		{Name: "metadata"},
		{Name: "metadata.event_type", Required: true, Is: Like(`^\w+$`, "letters, digits and underscores"), Doc: "messaging/message-metadata (mem: which characters)"},
		{Name: "metadata.event_payload", Required: true, Doc: "messaging/message-metadata: an object"},
	}
	fields = append(fields, text("blocks[].text", 3000)...)       // blocks/section-block
	fields = append(fields, text("blocks[].elements[]", 3000)...) // blocks/context-block
	if update {
		return append(fields, Field{Name: "ts", Required: true, Is: slackTS})
	}
	return append(fields, Field{Name: "thread_ts", Is: slackTS}, Field{Name: "mrkdwn", Is: Bool}, Field{Name: "unfurl_links", Is: Bool},
		Field{Name: "unfurl_media", Is: Bool}, Field{Name: "link_names", Is: Bool}, Field{Name: "username", Is: Str(80)})
}

func slackRefused(code string, messages ...any) Reply {
	body := map[string]any{"ok": false, "error": code}
	if len(messages) > 0 {
		body["response_metadata"] = map[string]any{"messages": messages}
	}
	return Reply{Status: 200, Body: body}
}

// slackCode is the error for a problem: chat.postMessage, "Errors".
func slackCode(p Problem) string {
	switch {
	case p.Field == "channel":
		return "channel_not_found"
	case strings.HasPrefix(p.Field, "blocks"):
		return "invalid_blocks"
	case strings.HasPrefix(p.Field, "metadata"):
		return "invalid_metadata_format"
	default:
		return "invalid_arguments"
	}
}

func slackInvalid(_ *Route, problems []Problem) Reply {
	var messages []any
	for _, p := range problems {
		messages = append(messages, fmt.Sprintf("[ERROR] %s: %s", p.What, p.Field))
	}
	return slackRefused(slackCode(problems[0]), messages...)
}

// slackAdd keeps a message, or says why not: one without text and blocks is refused.
func slackAdd(f *Fake, message map[string]any) *Reply {
	if Said(message["text"]) == "" && len(listOf(message["blocks"])) == 0 {
		reply := slackRefused("no_text")
		return &reply
	}
	r := f.Add(slackMessages, message)
	message["ts"] = fmt.Sprintf("%d.%s00", r.At.Unix(), r.ID) // unique in a channel, and the message's id
	return nil
}

func slackPost(f *Fake, r *Request) Reply {
	message := r.Map()
	if reply := slackAdd(f, message); reply != nil {
		return *reply
	}
	return Reply{Status: 200, Body: map[string]any{"ok": true, "channel": SlackChannel, "ts": message["ts"], "message": message}}
}

func slackUpdate(f *Fake, r *Request) Reply {
	for _, m := range f.All(slackMessages) {
		if m.Fields["ts"] == r.Map()["ts"] {
			m.Merge(r.Map()) // chat.update: what isn't given is kept
			return Reply{Status: 200, Body: map[string]any{"ok": true, "channel": SlackChannel, "ts": m.Fields["ts"], "text": m.Fields["text"]}}
		}
	}
	return slackRefused("message_not_found")
}

func slackHistory(f *Fake, r *Request) Reply {
	q, messages, more := r.URL.Query(), []any{}, false
	oldest, _ := strconv.ParseFloat(q.Get("oldest"), 64)
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		limit = 100
	}
	all := f.Searched(slackMessages)
	slices.Reverse(all)
	for _, m := range all {
		if ts, _ := strconv.ParseFloat(Said(m.Fields["ts"]), 64); ts <= oldest {
			continue
		}
		if len(messages) == limit {
			more = true
			break
		}
		shown := map[string]any{"type": "message", "ts": m.Fields["ts"], "text": m.Fields["text"], "bot_id": "B024BE7LJ"}
		if metadata := mapOf(m.Fields["metadata"]); len(metadata) > 0 {
			shown["metadata"] = map[string]any{"event_type": metadata["event_type"]} // without the argument only the type
			if q.Get("include_all_metadata") == "true" {
				shown["metadata"] = metadata
			}
		}
		messages = append(messages, shown)
	}
	return Reply{Status: 200, Body: map[string]any{"ok": true, "messages": messages, "has_more": more}}
}

// SlackKeep has somebody else write so many messages.
func SlackKeep(f *Fake, n int) {
	f.set(func() {
		for range n {
			_ = slackAdd(f, map[string]any{"text": "Somebody else's"})
		}
	})
}

// What a person finds in a message that has no fields: the call's uuid, and its outcome.
var (
	uuidIn   = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	statusIn = regexp.MustCompile(`\b(abandoned|connected|unanswered)\b`)
)

func slackEntries(f *Fake) (entries []Entry) {
	for _, m := range f.All(slackMessages) {
		text := Said(m.Fields["text"])
		for _, b := range listOf(m.Fields["blocks"]) {
			text += "\n" + Said(Get(b, "text", "text"))
			for _, e := range listOf(Get(b, "elements")) {
				text += "\n" + Said(Get(e, "text"))
			}
		}
		e := Entry{
			ID: m.ID, Call: Said(Get(m.Fields["metadata"], "event_payload", "call_id")), Talk: -1,
			Status: Said(Get(m.Fields["metadata"], "event_payload", "outcome")), Phone: Said(m.Fields["text"]), Text: text,
		}
		if e.Call == "" { // a person reads it
			e.Call, e.Status = uuidIn.FindString(text), statusIn.FindString(text)
		}
		entries = append(entries, e)
	}
	return entries
}
