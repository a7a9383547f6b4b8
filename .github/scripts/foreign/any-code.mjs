// Prints a code and a user ID as from a mail that Prism never sends. Prism takes any code, so each one is new.
import { randomUUID } from 'node:crypto';

console.log(randomUUID(), '7f78c2b8-5532-4f02-b87f-d6ef2fe46b05');
