#!/usr/bin/perl
# Seeds a fresh Request Tracker with what the preset's set-up asks for, and no more: if wrapup needed a right that the
# preset doesn't name, the tests would show it. Writes the user's token to the file that is its argument.
use strict;
use warnings;
use RT -init;

my ($token_file) = @ARGV or die "usage: seed.pl TOKEN-FILE\n";

my %fields = (
    'Call UUID' => {Type => 'FreeformSingle'},
    Phone       => {Type => 'FreeformSingle'},
    Agent       => {Type => 'FreeformSingle'},
    Outcome     => {Type => 'SelectSingle'},
    Started     => {Type => 'DateTimeSingle'},
    Duration    => {Type => 'FreeformSingle', Pattern => '^\d+$'},
);
my @outcomes = qw(connected abandoned unanswered busy no_answer rejected canceled failed unknown);

# The queue of the preset, and two with a mistake, whose values RT drops without a word: one lacks a field, and one has fields
# of its own where it ought to share those of Calls. (RT takes the first field of a name, whichever queue it is for.)
my $calls  = fields();
my @queues = (queue('Calls', %$calls), queue('Calls without agent', %$calls, Agent => undef), queue('Calls apart', %{ fields() }));

my $user = made('user', 'RT::User', Name => 'wrapup', Privileged => 1, Timezone => 'UTC');
for my $queue (@queues) {
    for my $right (qw(CreateTicket ShowTicket ModifyTicket SeeQueue SeeCustomField ModifyCustomField)) {
        done("right $right", $user->PrincipalObj->GrantRight(Object => $queue, Right => $right));
    }
}
my (undef, undef, $token) = done('token', RT::AuthToken->new(RT->SystemUser)->Create(Owner => $user->Id, Description => 'e2e'));

umask 077;
open my $out, '>', $token_file or die "$token_file: $!\n";
print $out "$token\n";
close $out or die "$token_file: $!\n";

sub fields {
    my %made;
    for my $name (sort keys %fields) {
        $made{$name} = made("field $name", 'RT::CustomField', Name => $name, LookupType => 'RT::Queue-RT::Ticket', %{ $fields{$name} });
    }
    done("outcome $_", $made{Outcome}->AddValue(Name => $_)) for @outcomes;
    return \%made;
}

sub queue {
    my ($name, %its) = @_;
    my $queue = made("queue $name", 'RT::Queue', Name => $name);
    done("its field $_", $its{$_}->AddToObject($queue)) for grep { $its{$_} } sort keys %its;
    return $queue;
}

sub made {
    my ($what, $class, %args) = @_;
    my $object = $class->new(RT->SystemUser);
    done($what, $object->Create(%args));
    return $object;
}

# done ends the program unless RT's answer, (true or false, message, ...), says that it was done.
sub done {
    my ($what, $ok, $message) = @_;
    die "$what: $message\n" unless $ok;
    return @_[1 .. $#_];
}
