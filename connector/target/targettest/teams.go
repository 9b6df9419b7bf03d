package targettest

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// TeamsFlow is the address of a flow that posts cards to a channel of Teams, without its host. The signature is the credential.
const (
	TeamsFlow  = "/workflows/8ae491c703944861ba59055e33f75498/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + Credential
	teamsCards = "cards"
)

// Teams is a flow with the trigger "When a Teams webhook request is received", which posts each card to a channel. It takes
// what comes, and does it later: what is wrong with a card is in the flow's run history, and nobody says so to the sender.
func Teams() *API {
	refused := func(status int, code, message string) Reply { // logic-apps: errors have a code and a message
		return Reply{Status: status, Body: map[string]any{"error": map[string]any{"code": code, "message": message}}}
	}
	return &API{
		Name: "Microsoft Teams, Workflows",
		Doc: "support.microsoft.com, Create incoming webhooks with Workflows for Microsoft Teams; " +
			"learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using; adaptivecards.io/explorer",
		Knows:   func(_ *Fake, r *http.Request) bool { return r.URL.Query().Get("sig") == Credential },
		AuthDoc: "azure/logic-apps/logic-apps-securing-a-logic-app: sig in the address is the key to the trigger",
		// logic-apps-http-endpoint: 401 without a good signature (mem: the code); 404 for a flow that isn't there (mem: the code)
		Unauthorized: refused(401, "DirectApiAuthorizationRequired", "The request must be authenticated only by Shared Access scheme."),
		NotFound:     refused(404, "WorkflowNotFound", "The workflow could not be found."),
		Asks:         true,
		Busy: func(after time.Duration) Reply { // power-automate/limits-and-config: 429; Retry-After (mem)
			r := refused(429, "WorkflowTriggerThrottled", "The trigger is throttled.")
			r.Header = map[string]string{"Retry-After": strconv.Itoa(int(after.Seconds()))}
			return r
		},
		Invalid: func(*Route, []Problem) Reply { return Reply{Status: 202} }, // the card is never seen
		Contact: func(phone string) map[string]any { return map[string]any{"phone": phone} },
		Routes: []Route{{
			Method: "POST", Path: "/workflows/{flow}/triggers/manual/paths/invoke", Write: true,
			Doc:    "connectors-using, Adaptive Cards by an incoming webhook: a message with the card as an attachment",
			Query:  []Field{{Name: "api-version", Required: true}, {Name: "sp", Required: true}, {Name: "sv", Required: true}, {Name: "sig", Required: true}},
			Fields: teamsFields(),
			Do: func(f *Fake, r *Request) Reply {
				if len(r.Raw) <= 28<<10 { // connectors/teams, known issues: a message of more than about 28 KB fails
					f.Add(teamsCards, r.Map())
				}
				return Reply{Status: 202} // logic-apps-http-endpoint: 202 at once where the flow has no Response action
			},
		}},
		Entries: teamsEntries,
	}
}

// teamsFields are those of a message with cards: connectors-using; adaptivecards.io/explorer for what is in a card.
func teamsFields() []Field {
	card := "attachments[].content."
	return []Field{
		{Name: "type", Required: true, Is: OneOf("message")},
		{Name: "attachments", Required: true},
		{Name: "attachments[].contentType", Required: true, Is: OneOf("application/vnd.microsoft.card.adaptive")},
		{Name: "attachments[].contentUrl", Is: func(v any) string {
			if v != nil {
				return "expected null"
			}
			return ""
		}},
		{Name: "attachments[].content", Required: true},
		{Name: card + "type", Required: true, Is: OneOf("AdaptiveCard")},
		{Name: card + "$schema", Is: OneOf("http://adaptivecards.io/schemas/adaptive-card.json", "https://adaptivecards.io/schemas/adaptive-card.json")},
		{Name: card + "version", Required: true, Is: OneOf("1.0", "1.1", "1.2", "1.3", "1.4", "1.5"), Doc: "cards-reference: Teams shows versions up to 1.5"},
		{Name: card + "fallbackText", Is: Str(0)}, {Name: card + "msteams"},
		{Name: card + "body", Required: true, Is: List(teamsElement)},
		{Name: card + "body[].type", Required: true}, {Name: card + "body[].text", Is: Filled}, {Name: card + "body[].wrap", Is: Bool},
		{Name: card + "body[].weight", Is: teamsWeight}, {Name: card + "body[].size", Is: teamsSize},
		{Name: card + "body[].spacing", Is: OneOf("None", "Small", "Default", "Medium", "Large", "ExtraLarge", "Padding")},
		{Name: card + "body[].separator", Is: Bool},
		{Name: card + "body[].facts[].title", Required: true, Is: Str(0)}, {Name: card + "body[].facts[].value", Required: true, Is: Str(0)},
		{Name: card + "body[].inlines[].type", Required: true, Is: OneOf("TextRun")}, {Name: card + "body[].inlines[].text", Required: true, Is: Filled},
		{Name: card + "body[].inlines[].weight", Is: teamsWeight}, {Name: card + "body[].inlines[].size", Is: teamsSize},
		{Name: card + "body[].inlines[].isSubtle", Is: Bool},
	}
}

var (
	teamsWeight = OneOf("Default", "Lighter", "Bolder")
	teamsSize   = OneOf("Default", "Small", "Medium", "Large", "ExtraLarge")
)

// teamsElement: each element of a card has what its type is made of.
func teamsElement(v any) string {
	of := map[string]string{"TextBlock": "text", "FactSet": "facts", "RichTextBlock": "inlines"}
	name, known := of[Said(Get(v, "type"))]
	switch {
	case !known:
		return "an element of the type " + Said(Get(v, "type")) + " is not shown"
	case Get(v, name) == nil:
		return "a " + Said(Get(v, "type")) + " without " + name + " is not shown"
	}
	return ""
}

// teamsMarks are what a TextBlock reads as Markdown, and a TextRun doesn't: explorer/TextRun.
var teamsMarks = regexp.MustCompile(`[*_\[\]]`)

func teamsEntries(f *Fake) (entries []Entry) {
	for _, c := range f.All(teamsCards) {
		for _, a := range listOf(c.Fields["attachments"]) {
			var lines []string
			for _, b := range listOf(Get(a, "content", "body")) {
				lines = append(lines, teamsMarks.ReplaceAllString(Said(Get(b, "text")), ""))
				for _, run := range append(listOf(Get(b, "inlines")), listOf(Get(b, "facts"))...) {
					lines = append(lines, Said(Get(run, "text"))+Said(Get(run, "value")))
				}
			}
			text := strings.Join(lines, "\n")
			entries = append(entries, Entry{ID: c.ID, Call: uuidIn.FindString(text), Status: statusIn.FindString(text), Talk: -1, Phone: text, Text: text})
		}
	}
	return entries
}
