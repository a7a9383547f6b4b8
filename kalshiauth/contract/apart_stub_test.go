package contract_test

var apartResets []namedMutant
