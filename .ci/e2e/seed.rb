# Seeds a fresh Redmine with what the presets' set-up asks for, and no more: if wrapup needed a right that they don't name,
# the tests would show it. Writes the user's API key to the file that is its first argument, and to its second the numbers
# that Redmine gave to what was made, as JSON.
key_file, seeded_file = ARGV

outcomes = %w[connected abandoned unanswered busy no_answer rejected canceled failed unknown]
fields = {
  cf_call_uuid: {name: 'Call UUID', field_format: 'string'},
  cf_phone: {name: 'Phone', field_format: 'string'},
  cf_agent: {name: 'Agent', field_format: 'string'},
  cf_outcome: {name: 'Outcome', field_format: 'list', possible_values: outcomes},
  cf_started: {name: 'Started', field_format: 'string'},
  cf_duration: {name: 'Duration', field_format: 'int'},
  cf_recording: {name: 'Recording', field_format: 'link'}
}

Redmine::DefaultData::Loader.load('en') # statuses, priorities: what nobody starts without
Setting.rest_api_enabled = '1'
Setting.notified_events = [] # there is nobody to write to

fresh = IssueStatus.find_by!(name: 'New')
closed = IssueStatus.find_by!(name: 'Closed')
call, callback = ['Call', 'Call-back'].map { |name| Tracker.create!(name: name, default_status: fresh) }
made = fields.transform_values do |its|
  IssueCustomField.create!(is_filter: true, visible: true, trackers: [call, callback], **its)
end
# One with a mistake: it isn't used as a filter, and Redmine ignores a search by it without a word.
unfiltered = IssueCustomField.create!(name: 'Unfiltered', field_format: 'string', visible: true, trackers: [call, callback])
project = Project.create!(name: 'Calls', identifier: 'calls', is_public: false, trackers: [call, callback],
                          enabled_module_names: ['issue_tracking'], issue_custom_fields: [*made.values, unfiltered])

# New issues may be closed at once.
role = Role.create!(name: 'wrapup', permissions: %i[view_issues add_issues edit_issues], issues_visibility: 'all', assignable: false)
WorkflowTransition.create!(tracker: call, role: role, old_status_id: 0, new_status: closed)
WorkflowTransition.create!(tracker: callback, role: role, old_status_id: 0, new_status: fresh)
agents = Role.create!(name: 'Agents', permissions: %i[view_issues], assignable: true)

def user(login)
  User.new(firstname: login, lastname: 'Test', mail: "#{login}@example.com", language: 'en') do |u|
    u.login = login
    u.password = SecureRandom.hex
    u.save!
  end
end
wrapup, ana, budi, stranger = %w[wrapup ana budi stranger].map { |login| user(login) }
{wrapup => role, ana => agents, budi => agents}.each do |user, its|
  Member.create!(project: project, principal: user, roles: [its])
end

File.umask(0o077)
File.write(key_file, wrapup.api_key)
params = {project: project.identifier, tracker: call.id, **made.transform_values(&:id)}
File.write(seeded_file, JSON.generate(
  params: params, callback: callback.id, unfiltered: unfiltered.id, statuses: {New: fresh.id, Closed: closed.id},
  users: {ana: ana.id, budi: budi.id, stranger: stranger.id}
))
