package main

import (
	"slices"
	"time"

	"wrapup/connector"
	"wrapup/connector/target/targettest"
)

// presetCase is what the suite has to know of a preset. What a preset can't do is said here, with the reason: nothing is
// left out without a word.
type presetCase struct {
	preset string
	// api is the fake that it is tested against.
	api func() *targettest.API
	// destination is the rest of the destination in wrapup.yaml (name and mapping are given), as a user would write it. Its url
	// begins with http://, for the fake speaks no TLS.
	destination string
	// agents is agents.csv, "" if the preset has none. The agent jdoe must be in it.
	agents string

	// only is the one outcome that it logs, "" if it logs all.
	only connector.Outcome
	// statuses are the system's words for the outcomes, as the fake reads them back.
	statuses map[connector.Outcome]string
	// outcomeInText says that the system has no status of its own for outcomes: the word must be in what people read.
	outcomeInText bool
	// owner is the owner of jdoe's calls, nobody that of calls whose agent isn't in the table, or that have none.
	owner, nobody string
	// closer is the owner of an entry that a later revision has settled, where only one outcome is logged.
	closer string
	// newContact says that a number that nobody has gets a contact of its own.
	newContact bool
	// unlinked says why calls are linked with nobody, "" if they are linked with contacts.
	unlinked string
	// start and talk are how exact the two times are; 0 is a second, and never says that there is no place for it.
	start, talk time.Duration
	// delay is how long the mapping itself holds a call (wait).
	delay time.Duration
	// writes is how many requests that change something the first delivery makes.
	writes int
	// parks says that the system has no means against doubles: after a lost answer to the first write the call is parked.
	parks bool
	// refuse is a field that the fake is told to refuse, says the system's own sentence about it.
	refuse, says string
	// cant are the scenarios that don't apply, by name, and why.
	cant map[string]string
	// extra are scenarios that only this preset has.
	extra []presetScenario
	// breaks are mistakes that the suite must notice.
	breaks []presetBreak
}

// never is for presetCase.start and talk.
const never = time.Duration(1<<63 - 1)

// presetBreak is a mistake in a preset: a text of its YAML that is replaced. It must be noticed in these words.
type presetBreak struct {
	what, old, new, noticed string
}

// presetCases are the rows of all presets. Each preset has a file of its own.
func presetCases() []presetCase {
	return slices.Concat(
		bitrix24Cases(),
		dolibarrCases(),
		dynamicsCases(),
		erpnextCases(),
		espocrmCases(),
		freshdeskCases(),
		freshsalesCases(),
		glpiCases(),
		hubspotCases(),
		jiraCases(),
		kommoCases(),
		odooCases(),
		osticketCases(),
		pipedriveCases(),
		redmineCases(),
		requestTrackerCases(),
		salesforceCases(),
		servicenowCases(),
		slackCases(),
		suitecrmCases(),
		teamsCases(),
		twentyCases(),
		vtigerCases(),
		zammadCases(),
		zendeskCases(),
		zohoCases(),
	)
}

// logs says whether the preset logs calls of that outcome.
func (c *presetCase) logs(o connector.Outcome) bool { return c.only == "" || c.only == o }

// usual is an outcome that it logs.
func (c *presetCase) usual() connector.Outcome {
	if c.only != "" {
		return c.only
	}
	return connector.OutcomeConnected
}
