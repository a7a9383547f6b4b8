package contract_test

var apartSessions, apartResets []namedMutant
