metadata name = 'Sign-in'
metadata description = 'Who can call the HTTP functions: Easy Auth in front of the app. The app requires the function key, too.'

@description('Required. Name of the app.')
param appName string

@export()
@description('Who can call the HTTP functions.')
type authentication = {
  @description('Required. Client id of their Entra app registration.')
  clientId: string
  @description('Required. Audiences of tokens for them.')
  audiences: string[]
  @description('Required. Client ids of the applications that can call; empty lets in every application of the tenant.')
  callers: string[]
  @description('Required. Object ids of the users and service principals that can call; empty lets in all of the tenant.')
  principals: string[]
}

@description('Required. Who can call.')
param auth authentication

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: appName
}

resource signIn 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: {
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: auth.clientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: auth.audiences
          defaultAuthorizationPolicy: {
            allowedApplications: auth.callers
            allowedPrincipals: {
              identities: auth.principals
            }
          }
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false // tokens are for the call that brings them
      }
    }
    platform: {
      enabled: true
    }
  }
}
