using 'main.bicep'

// An example. Replace what is made of zeros, and commit the file where you keep
// such things: it holds no secret.

param location = 'westeurope'

param registrations = [
  {
    cloudId: '00000000-0000-0000-0000-000000000001'
    agentPrincipalId: '00000000-0000-0000-0000-00000000000a'
  }
  {
    // The canary of make deploy-check: no stamp, billing model Development. Whoever
    // runs the check drops its hours, which are no stamp's.
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
