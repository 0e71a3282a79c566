using 'main.bicep'

// An example. Replace the values made of zeros, and keep the file in version
// control: it holds no secret.

param location = 'westeurope'

param registrations = [
  {
    cloudId: '00000000-0000-0000-0000-000000000001'
    agentPrincipalId: '00000000-0000-0000-0000-00000000000a'
  }
  {
    // A disconnected stack: its hours are delivered by hand. The members of the group
    // import them (docs/agent.md, Disconnected stacks).
    cloudId: '00000000-0000-0000-0000-000000000002'
    agentPrincipalId: '00000000-0000-0000-0000-00000000000d'
    agentPrincipalType: 'Group'
  }
  {
    // The canary of make deploy-check: no real stack, billing model Development.
    // Whoever runs the check adds its hours.
    cloudId: 'ca7a5700-0000-4000-8000-000000000001'
    agentPrincipalId: '00000000-0000-0000-0000-00000000000b'
    agentPrincipalType: 'User'
    watched: false
  }
]

param commerceEndpoint = 'https://commerce.example'
param commerceAudience = 'api://commerce.example'

param auth = {
  clientId: '00000000-0000-0000-0000-00000000000c'
  audiences: ['api://00000000-0000-0000-0000-00000000000c', '00000000-0000-0000-0000-00000000000c']
  callers: []
  principals: []
}

param who = {
  auditorGroupId: ''
  operatorGroupId: ''
  alertEmail: ''
  quarantineRows: 0
}
